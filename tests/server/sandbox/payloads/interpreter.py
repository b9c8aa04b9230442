"""Python's own ways around a Python sandbox: here they lead nowhere, for the kernel holds and Python does not.

A program also finds nothing of ours: no module of the server, no source, no bait but what it was given.
"""

from tests.server.sandbox.payloads import wild

PAYLOADS = wild(
    subclasses="""
for kind in ().__class__.__base__.__subclasses__():
    if kind.__name__ == 'Popen': kind(['/usr/bin/true'])
    if kind.__name__ == 'FileLoader': print(kind('x', BAIT['file']).get_data(BAIT['file']))""",
    builtins_found_again="__builtins__['__import__']('os').open(BAIT['file'], 0); escaped()",
    frames="""
frame = sys._getframe()
while frame:
    for name, value in list(frame.f_locals.items()):
        if isinstance(value, str) and 'canary' in value and value not in repr(BAIT): print(value)
    frame = frame.f_back""",
    garbage="""
import gc
for thing in gc.get_objects():
    if isinstance(thing, dict) and thing.get('secret'): escaped(thing)""",
    site_packages="import pydantic; escaped()",
    the_server_itself="import cogitate.server.settings; escaped()",
    a_module_from_the_working_folder="sys.path.insert(0, BAIT['folder']); import bait_module; escaped()",
    user_site="import site; site.main(); site.addsitedir(BAIT['folder']); import bait_module; escaped()",
    pickle_reads="""
import pickle
class Reads:
    def __reduce__(self): return (open, (BAIT['file'],))
print(pickle.loads(pickle.dumps(Reads())).read())""",
    audit="sys.addaudithook(lambda *_: None); print(open(BAIT['file']).read())",
)
