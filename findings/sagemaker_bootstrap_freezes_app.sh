#!/usr/bin/env bash
# SageMaker's standards, which vLLM's `build_app` applies last, freeze the application's middleware.
#
# Versions: model-hosting-container-standards 0.1.16 (the one of vLLM 0.32), fastapi 0.136.3,
#   starlette 1.10.0, httpx 0.28.1, Python 3.11.
#
# Guess: an application that was prepared and has served nothing can still be configured: an
#   exception handler that is added renders its exception, and a middleware can be added.
# Behaviour: where the application has a middleware, `bootstrap(app)` builds the middleware stack,
#   with the exception handlers of that moment. A handler that is added later stands in
#   `app.exception_handlers` and is never called: the exception is a 500, without a warning.
#   `app.add_middleware` raises "Cannot add middleware after an application has started", before
#   any start. `app.middleware_stack = app.build_middleware_stack()` makes the handler work.
# Consequence: whoever extends the application that vLLM's `build_app` returns has to build the
#   stack once more, or the handlers are silently dead.
#
# Output seen:
#   without bootstrap: late handler 418, late middleware added
#   with bootstrap:    late handler 500, late middleware RuntimeError
#   rebuilt:           late handler 418
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    "model-hosting-container-standards==0.1.16" "fastapi==0.136.3" "starlette==1.10.0" "httpx==0.28.1"
cat > "$folder/probe.py" <<'EOF'
import logging

import model_hosting_container_standards.sagemaker as standards
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.testclient import TestClient

logging.disable(logging.CRITICAL)


class Teapot(Exception):
    """An exception of the application's own."""


def build() -> FastAPI:
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["*"])

    @app.get("/tea")
    def tea():
        raise Teapot

    return app


def status_with_late_handler(app: FastAPI) -> int:
    app.add_exception_handler(Teapot, lambda request, error: JSONResponse({}, status_code=418))
    return TestClient(app, raise_server_exceptions=False).get("/tea").status_code


def add_late_middleware(app: FastAPI) -> str:
    async def pass_on(request, call_next):
        return await call_next(request)

    try:
        app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    except RuntimeError as error:
        return type(error).__name__
    return "added"


plain = (status_with_late_handler(build()), add_late_middleware(build()))
frozen = (status_with_late_handler(standards.bootstrap(build())), add_late_middleware(standards.bootstrap(build())))
app = standards.bootstrap(build())
app.add_exception_handler(Teapot, lambda request, error: JSONResponse({}, status_code=418))
app.middleware_stack = app.build_middleware_stack()
rebuilt = TestClient(app, raise_server_exceptions=False).get("/tea").status_code
print(f"without bootstrap: late handler {plain[0]}, late middleware {plain[1]}")
print(f"with bootstrap:    late handler {frozen[0]}, late middleware {frozen[1]}")
print(f"rebuilt:           late handler {rebuilt}")
raise SystemExit((plain, frozen, rebuilt) != ((418, "added"), (500, "RuntimeError"), 418))
EOF
"$folder/venv/bin/python" "$folder/probe.py"
