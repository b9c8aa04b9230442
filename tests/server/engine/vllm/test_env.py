"""Environment variables that the server sets for vLLM."""

import pytest

from cogitate.server.engine.vllm.env import bind_both_cores


@pytest.mark.parametrize(
    ("cores", "binding"),
    [({1, 0}, "0,1"), ({6, 3}, "3,6"), ({5}, None), ({0, 1, 2}, None), (set(range(64)), None)],
)
def test_both_cores_decode_on_a_machine_with_two_and_vllm_decides_elsewhere(cores, binding):
    assert bind_both_cores(cores).get("VLLM_CPU_OMP_THREADS_BIND") == binding
