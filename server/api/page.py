"""`GET /`, `GET /docs` and the files that they load."""

from fastapi import APIRouter, Request, Response

from cogitate.server.errors import NotFound
from cogitate.server.page.files import PREFIX, load_files

router = APIRouter(include_in_schema=False)


@router.get("/")
async def page(request: Request) -> Response:
    return send_file(request, "index.html")


@router.get("/docs")
async def docs(request: Request) -> Response:
    return send_file(request, "docs.html")


@router.get(PREFIX + "{name:path}")
async def file(name: str, request: Request) -> Response:
    return send_file(request, name)


def send_file(request: Request, name: str) -> Response:
    """Return the file, or a 304 where the client has it. Raises NotFound."""
    found = load_files().get(name)
    if found is None:
        raise NotFound("The page has no file of this name.", param="path")
    if request.headers.get("if-none-match") == found.etag:
        return Response(status_code=304, headers=found.headers)
    return Response(found.content, headers=found.headers)
