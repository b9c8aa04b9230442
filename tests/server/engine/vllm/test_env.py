"""What vLLM is told by its environment."""

import pytest

from cogitate.server.engine.vllm.env import both_cores


@pytest.mark.parametrize(
    ("cores", "bound"),
    [({1, 0}, "0,1"), ({6, 3}, "3,6"), ({5}, None), ({0, 1, 2}, None), (set(range(64)), None)],
)
def test_the_engine_decodes_on_both_cores_of_two_and_is_left_alone_with_others(cores, bound):
    assert both_cores(cores).get("VLLM_CPU_OMP_THREADS_BIND") == bound
