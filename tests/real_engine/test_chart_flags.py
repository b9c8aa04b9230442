"""The chart's arguments of `vllm serve`, by vLLM's own parser."""

import pytest
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser

from tests.deploy.chart import list_pods

pytestmark = pytest.mark.engine


def test_vllm_accepts_the_arguments_of_a_groups_workers() -> None:
    _, worker = (pod["spec"]["containers"][0] for pod in list_pods("engine-multinode"))
    words = [word.replace("$(LWS_WORKER_INDEX)", "1") for word in worker["args"]]
    assert (worker["command"], words.pop(0)) == (["vllm"], "serve")
    given = make_arg_parser(FlexibleArgumentParser()).parse_args(words)
    assert (given.headless, given.nnodes, given.node_rank) == (True, 2, 1)
    assert given.master_addr == "$(LWS_LEADER_ADDRESS)"
    assert (given.tensor_parallel_size, given.pipeline_parallel_size, given.kv_cache_dtype) == (8, 2, "fp8")
    assert given.enable_expert_parallel is False
