"""A worker as its parent sees it, and the pipe between them."""

from multiprocessing import Pipe
from multiprocessing.connection import Connection

from cogitate.server.workers.messages import Alive, Failed, can_send, send_report
from cogitate.server.workers.process import WorkerProcess


def fail(connection: Connection) -> None:
    send_report(connection, Failed("no such model", 3))


def test_last_report_of_a_worker_is_read_though_it_has_ended():
    worker = WorkerProcess(1)
    worker.start(fail, [])
    assert worker.process is not None
    worker.process.join(30)
    assert worker.has_ended() and worker.collect() == 0
    assert worker.failure == Failed("no such model", 3) and worker.describe_end(0) == "no such model"


def test_heartbeat_is_left_out_while_a_suspended_parent_reads_none():
    parent, worker = Pipe()
    with parent, worker:
        while can_send(worker):
            send_report(worker, Alive())
        while parent.poll():
            assert parent.recv() == Alive()
        assert can_send(worker)


def test_report_to_a_parent_that_has_ended_is_no_error():
    parent, worker = Pipe()
    parent.close()
    with worker:
        assert can_send(worker)
        send_report(worker, Alive())
