"""Ways around Python-level sandboxes. They fail here, since the kernel enforces the sandbox.

A program also finds nothing of the server: no module, no source, and no target except those it is given.
"""

from tests.server.sandbox.payloads import wild

PAYLOADS = wild(
    subclasses="""
for kind in ().__class__.__base__.__subclasses__():
    if kind.__name__ == 'Popen': kind(['/usr/bin/true'])
    if kind.__name__ == 'FileLoader': print(kind('x', TARGETS['file']).get_data(TARGETS['file']))""",
    builtins_found_again="__builtins__['__import__']('os').open(TARGETS['file'], 0); escaped()",
    frames="""
frame = sys._getframe()
while frame:
    for name, value in list(frame.f_locals.items()):
        if isinstance(value, str) and 'canary' in value and value not in repr(TARGETS): print(value)
    frame = frame.f_back""",
    garbage="""
import gc
for thing in gc.get_objects():
    if isinstance(thing, dict) and thing.get('secret'): escaped(thing)""",
    site_packages="import pydantic; escaped()",
    the_server_itself="import cogitate.server.settings; escaped()",
    a_module_from_the_working_folder="sys.path.insert(0, TARGETS['folder']); import bait_module; escaped()",
    user_site="import site; site.main(); site.addsitedir(TARGETS['folder']); import bait_module; escaped()",
    pickle_reads="""
import pickle
class Reads:
    def __reduce__(self): return (open, (TARGETS['file'],))
print(pickle.loads(pickle.dumps(Reads())).read())""",
    audit="sys.addaudithook(lambda *_: None); print(open(TARGETS['file']).read())",
)
