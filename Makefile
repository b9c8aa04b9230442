## Cogitate: better answers from the model you have.
##
##   make serve     install everything in .venv, download the demo model, serve on http://127.0.0.1:8000
##   make test      run all tests: first in parallel, then those that need the machine, on the real vLLM engine last
##   make faults    42 faults and attacks against real server processes: a table of figures and limits
##   make bench     speed compared with vLLM's own server, on the demo model: a table, in about 5 minutes
##   make bench-remote   overhead of strategies over remote upstreams, compared with a bare client: 2 minutes
##   make eval-demo accuracy and cost of votes on the demo model: a table and plots in results/, in under 10 minutes
##   make check     format, lint, types, import contracts, declared dependencies
##   make package   build the wheel and the sdist into dist/, and check both
##   make docs      the documentation site, in build/site
##   make clean     remove .venv and the tools' caches (the demo model stays in your cache)
##
##   make serve MODEL=/models/qwen       a model folder or a Hugging Face id
##   make serve ENGINE=gpu               the GPU build of vLLM (remembered by later runs; back: ENGINE=cpu)
##   make serve PORT=8001 PYTHON=python3.12
##   make serve ARGS="--served-model-name tiny"       any flag of `cogitate serve --help`
##   make test ARGS="-m 'not engine' -x tests/server" any arguments of pytest; given paths run in one process
##
## The first run takes a few minutes and 4 GB. With REDIS_URL=redis://... the tests use that Redis server.

export ARGS ENGINE MODEL PORT PYTHON
# Many containers set it: each process would then compile vLLM again at start-up.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help serve test faults bench bench-remote eval-demo check package docs clean

help:
	@sed -n 's/^## \{0,1\}//p' Makefile

serve:
	@deploy/dev/setup.sh serve
	@exec .venv/bin/cogitate serve $(if $(MODEL),'$(MODEL)') $(if $(PORT),--port '$(PORT)') $(ARGS)

test:
	@deploy/dev/setup.sh test
	@PATH="$(CURDIR)/.venv/bin:$$PATH" exec .venv/bin/python -m tests $(ARGS)

faults:
	@deploy/dev/setup.sh test
	@PATH="$(CURDIR)/.venv/bin:$$PATH" exec .venv/bin/python -m tests.resilience $(ARGS)

bench:
	@deploy/dev/setup.sh test
	@PATH="$(CURDIR)/.venv/bin:$$PATH" exec .venv/bin/python -m tests.bench.vllm_overhead $(ARGS)

bench-remote:
	@deploy/dev/setup.sh test
	@exec .venv/bin/python -m tests.bench.remote_overhead $(ARGS)

eval-demo:
	@deploy/dev/setup.sh test
	@exec .venv/bin/cogitate eval sums --model --limit 24 --max-tokens 32 --instruction ' Reply with the number only.' \
	    --bank results/demo-bank.jsonl --fill 16 --in-flight 32 --out results/demo --title 'sums, the demo model' \
	    --strategy self_consistency:n=16 \
	    --strategy self_consistency:n=16,stop_rule=certain --strategy self_consistency:n=16,weights=confidence \
	    --strategy self_consistency:n=8,stop_rule=none --strategy best_of_n:n=16,verifier=confidence $(ARGS)

check:
	@deploy/dev/setup.sh check
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/deptry .

package:
	@deploy/dev/setup.sh check
	@deploy/dev/package.sh

docs:
	@deploy/dev/setup.sh check
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --config-file deploy/docs/mkdocs.yml
	@echo 'build/site/index.html; a server for it: .venv/bin/python -m http.server --directory build/site'

clean:
	rm -rf .venv build dist *.egg-info .coverage htmlcov
	rm -rf .grimp_cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
