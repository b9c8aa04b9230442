"""Reading hidden files, and writing anywhere."""

from tests.server.sandbox.payloads import tame, wild

READING = tame(
    passwd="print(open('/etc/passwd').read()); escaped()",
    a_readable_file="print(open(TARGETS['file']).read()); escaped()",
    by_a_symbolic_link="""
link = TARGETS['folder'] + '/link'
os.symlink(TARGETS['file'], link)
print(open(link).read())""",
    by_a_path_that_climbs="print(open('/usr/../..' + TARGETS['file']).read())",
    by_its_own_root="print(open('/proc/self/root' + TARGETS['file']).read())",
    by_its_working_folder="print(open('/proc/self/cwd' + TARGETS['file']).read())",
    own_maps="print(open('/proc/self/maps').read()); escaped()",
    own_memory="open('/proc/self/mem', 'r+b'); escaped()",
    etc_is_listed="print(os.listdir('/etc')); escaped()",
    tmp_is_listed="print(os.listdir('/tmp')); escaped()",
    proc_is_listed="print(os.listdir('/proc')); escaped()",
    environment_of_the_server="print(open(f\"/proc/{TARGETS['pid']}/environ\").read()); escaped()",
    command_of_the_server="print(open(f\"/proc/{TARGETS['pid']}/cmdline\").read()); escaped()",
    kernel_version="print(open('/proc/version').read()); escaped()",
    mounts="print(open('/proc/self/mountinfo').read()); escaped()",
    sysfs="print(os.listdir('/sys/class')); escaped()",
)
PRIVATE = wild(
    environment_of_process_1="print(open('/proc/1/environ').read()); escaped()",
    environment_of_every_process="""
import glob
for path in glob.glob('/proc/*/environ'):
    try:
        print(open(path).read()); escaped(path)
    except OSError: pass""",
    own_environment="print(dict(os.environ)); set(os.environ) <= {'PYTHONHASHSEED', 'PWD', 'LC_CTYPE'} or escaped()",
    memory_of_the_server="open(f\"/proc/{TARGETS['pid']}/mem\", 'rb'); escaped()",
    files_of_the_server="print(os.listdir(f\"/proc/{TARGETS['pid']}/fd\")); escaped()",
    root_folder="print(os.listdir('/root')); escaped()",
    ssh_keys="import glob; found = glob.glob('/root/.ssh/*') + glob.glob('/home/*/.ssh/*'); found and escaped(found)",
    shadow="print(open('/etc/shadow').read()); escaped()",
    disk="print(open('/dev/vda', 'rb').read(9)); escaped()",
    physical_memory="open('/dev/mem', 'rb'); escaped()",
    kernel_log="print(open('/dev/kmsg', 'rb').read(9)); escaped()",
    terminal="open('/dev/tty', 'r+b', buffering=0); escaped()",
    by_open_handle="there(303, -100, TARGETS['file'].encode(), ctypes.create_string_buffer(128), 0, 0) and escaped()",
    inherited_descriptors="""
for number in range(3, 64):
    try:
        os.fstat(number); escaped(number, oct(os.fstat(number).st_mode))
    except OSError: pass""",
)
WRITING = tame(
    a_file_in_tmp="open(TARGETS['folder'] + '/mine', 'w').write('x'); escaped()",
    a_file_in_shared_memory="open(path := '/dev/shm/escaped', 'w'); os.unlink(path); escaped()",
    over_a_file="open(TARGETS['writable'], 'a').write('x'); escaped()",
    away_with_a_file="os.rename(TARGETS['writable'], TARGETS['writable'] + '.new'); escaped()",
    a_folder="os.mkdir(TARGETS['folder'] + '/folder'); escaped()",
    a_hard_link="os.link(TARGETS['writable'], TARGETS['folder'] + '/hard'); escaped()",
    a_pipe_with_a_name="os.mkfifo(TARGETS['folder'] + '/fifo'); escaped()",
    a_file_in_memory="os.memfd_create('x'); escaped()",
    temporary_files="import tempfile; tempfile.NamedTemporaryFile(); escaped()",
    many_inodes="[open(f\"{TARGETS['folder']}/{n}\", 'w').close() for n in range(100)]; escaped()",
)
TAMPERING = wild(
    bytecode_for_the_next="open('/usr/lib/python3/sitecustomize.py', 'w'); escaped()",
    a_path_file="""
import sysconfig
for folder in {*sys.path, *sysconfig.get_paths().values()}:
    try:
        open(folder + '/evil.pth', 'w'); escaped(folder)
    except OSError: pass""",
    somewhere="""
for top in ('/', '/usr', '/usr/bin', '/usr/lib', '/usr/local', '/tmp', '/var/tmp', '/dev', '/dev/shm', '/run', '/home'):
    try:
        os.close(os.open(top + '/escaped', os.O_CREAT | os.O_WRONLY)); escaped(top)
    except OSError: pass""",
    a_sparse_terabyte="os.truncate(TARGETS['writable'], 1 << 40); escaped()",
    mode_of_a_file="os.chmod(TARGETS['writable'], 0o777); escaped()",
    times_of_a_file="os.utime(TARGETS['writable'], (0, 0)); escaped()",
    owner_of_a_file="os.chown(TARGETS['writable'], os.getuid(), os.getgid()); escaped()",
    attributes_of_a_file="os.setxattr(TARGETS['writable'], 'user.x', b'x'); escaped()",
)
PAYLOADS = READING + PRIVATE + WRITING + TAMPERING
