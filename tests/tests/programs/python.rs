//! Python, with the parts of its library that lean on the kernel.

use std::fs;

use fncall_tests::case::Case;

use crate::{Collection, garden};

const PYTHON: &str = "/usr/bin/python3";

pub fn python(all: &mut Collection) {
    let programs: &[(&str, &str)] = &[
        ("hello", "print('hello')"),
        (
            "json",
            "import json; d={'a':[1,2.5,None,True],'b':{'c':'\\u00e9'}}; s=json.dumps(d,sort_keys=True); print(s, json.loads(s)==d); print(json.dumps(list(range(20000)))[-50:])",
        ),
        (
            "hashlib",
            "import hashlib; b=bytes(range(256))*1000\nfor n in ('md5','sha1','sha256','sha512','blake2b','sha3_256'): print(n, hashlib.new(n,b).hexdigest())",
        ),
        (
            "walk",
            "import os\nn=0\nfor r,d,f in os.walk('/usr/include'):\n d.sort(); n+=len(f)\nprint(n)\nfor r,d,f in sorted(os.walk('.')): print(r,sorted(d),sorted(f))",
        ),
        (
            "tempfile",
            "import tempfile,os\nwith tempfile.TemporaryDirectory() as d:\n p=os.path.join(d,'x'); open(p,'w').write('t'*10000); print(os.path.getsize(p), os.listdir(d))\nprint(os.path.exists(d))\nf=tempfile.TemporaryFile(); f.write(b'abc'); f.seek(1); print(f.read())\nwith tempfile.NamedTemporaryFile(delete=False) as n: n.write(b'z')\nprint(os.stat(n.name).st_mode & 0o777)",
        ),
        (
            "mmap",
            "import mmap\nf=open('m','w+b'); f.write(b'\\0'*10000); f.flush()\nm=mmap.mmap(f.fileno(),0); m[5:10]=b'hello'; m.flush(); print(m.find(b'hello'), m.size()); m.resize(20000); m[19999]=1; print(len(m)); m.close(); f.seek(5); print(f.read(5)); a=mmap.mmap(-1,4096); a[0]=7; print(a[0],a[1])",
        ),
        (
            "re",
            "import re; t=open('words').read(); print(len(re.findall(r'(\\d+) line (\\d+)',t)), re.sub(r'\\d','#',t[:60]), bool(re.match('x','y')))",
        ),
        (
            "decimal",
            "from decimal import *; getcontext().prec=100; print(Decimal(2).sqrt(), Decimal(1)/Decimal(7))",
        ),
        (
            "floats",
            "import math,struct; print(math.sin(1.5), math.e**10, [math.gamma(x/3) for x in range(1,10)]); print(struct.pack('<dfi',1.1,2.2,3).hex(), sum(0.1 for _ in range(10000)))",
        ),
        (
            "exceptions",
            "try:\n 1/0\nexcept ZeroDivisionError as e: print(e)\ntry:\n open('/no/such')\nexcept OSError as e: print(e.errno, e)\nraise SystemExit(7)",
        ),
        ("traceback", "def f(n): return f(n-1) if n else undefined\nf(5)"),
        ("recursion", "def f(n): return f(n+1)\ntry:\n f(0)\nexcept RecursionError as e: print('deep')"),
        (
            "os",
            "import os,stat\nos.mkdir('nd'); os.symlink('words','nl'); os.link('words','nh'); os.rename('a.txt','nd/a'); os.chmod('words',0o640); os.truncate('words',100); os.utime('words',(1,2))\nprint(os.stat('words').st_nlink, oct(os.stat('words').st_mode), os.readlink('nl'), os.listdir('nd'), os.stat('words').st_mtime)\nos.remove('nl'); os.replace('nh','nd/h'); print(sorted(os.listdir('.')), os.path.samefile('words','nd/h'))\nfd=os.open('fd',os.O_RDWR|os.O_CREAT|os.O_EXCL); os.write(fd,b'12345'); os.lseek(fd,1,0); print(os.read(fd,3), os.pread(fd,2,3), os.fstat(fd).st_size); os.close(fd)\nr,w=os.pipe(); os.write(w,b'pp'); print(os.read(r,9)); print(os.getcwd()==os.path.realpath('.'))\ntry: os.rmdir('nd')\nexcept OSError as e: print(e.strerror)",
        ),
        (
            "shutil",
            "import shutil,os\nshutil.copytree('dir','copy'); shutil.move('words','copy/w'); shutil.copy2('b.txt','b2'); print(sorted(os.listdir('copy'))); shutil.rmtree('dir'); print(os.path.exists('dir'), shutil.disk_usage('.').total>0); print(shutil.which('ls'))",
        ),
        (
            "signals",
            "import signal,os\ngot=[]\nsignal.signal(signal.SIGUSR1,lambda s,f: got.append(s)); os.kill(os.getpid(),signal.SIGUSR1); print(got)\nsignal.setitimer(signal.ITIMER_REAL,0.02); signal.signal(signal.SIGALRM,lambda s,f: got.append(s)); signal.pause(); print(got)\ntry: signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt: print('interrupted')",
        ),
        (
            "select",
            "import select,os\nr,w=os.pipe(); p=select.poll(); p.register(r,select.POLLIN); print(p.poll(5)); os.write(w,b'x'); print(p.poll(5)==[(r,1)], select.select([r],[w],[],0)==([r],[w],[])); e=select.epoll(); e.register(r,select.EPOLLIN); print(e.poll(0)==[(r,1)])",
        ),
        (
            "time",
            "import time,datetime\na=time.monotonic(); time.sleep(0.02); print(time.monotonic()-a>=0.02, time.process_time()>0, time.strftime('%Y',time.gmtime(0)), datetime.datetime.fromtimestamp(86400,datetime.timezone.utc))",
        ),
        (
            "zlib",
            "import zlib,bz2,lzma,io,gzip; b=open('words','rb').read()\nfor m in (zlib,bz2,lzma): print(m.__name__, m.decompress(m.compress(b))==b, len(m.compress(b)))",
        ),
        (
            "zipfile",
            "import zipfile\nz=zipfile.ZipFile('x.zip','w'); z.writestr(zipfile.ZipInfo('a',(2000,1,1,0,0,0)),'data'*100); z.close(); print(zipfile.ZipFile('x.zip').namelist(), zipfile.ZipFile('x.zip').read('a')[:8])",
        ),
        (
            "sqlite",
            "import sqlite3\nc=sqlite3.connect('x.db'); c.execute('create table t(a,b)'); c.executemany('insert into t values(?,?)',[(i,i*i) for i in range(1000)]); c.commit(); print(c.execute('select sum(b) from t').fetchone()); c.close()",
        ),
        (
            "csv",
            "import csv,io\nw=csv.writer(open('c.csv','w',newline='')); w.writerows([[i,'a,b',None] for i in range(100)])\nprint(sum(int(r[0]) for r in csv.reader(open('c.csv'))))",
        ),
        (
            "pickle",
            "import pickle; d={i:str(i)*3 for i in range(5000)}; pickle.dump(d,open('p','wb')); print(pickle.load(open('p','rb'))==d)",
        ),
        ("big-integers", "print(3**5000 % 10**50, len(str(7**20000)))"),
        (
            "allocation",
            "x=[bytearray(1<<20) for _ in range(64)]; x=None; y=[[i] for i in range(300000)]; print(len(y)); import gc; print(gc.collect()>=0)",
        ),
        (
            "locale",
            "import locale,sys; print(sys.getfilesystemencoding(), locale.setlocale(locale.LC_ALL,'C')); print('\\u20ac'.encode())",
        ),
        (
            "platform",
            "import platform,sys,os; print(platform.system(), platform.machine(), sys.platform, os.cpu_count()>0, os.uname().release==platform.release())",
        ),
        (
            "resource",
            "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[0]>0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss>1000); resource.setrlimit(resource.RLIMIT_NOFILE,(50,50)); \ntry:\n fs=[open('/dev/null') for _ in range(60)]\nexcept OSError as e: print(e.strerror)",
        ),
        (
            "fcntl",
            "import fcntl,os\nf=open('lock','w'); fcntl.flock(f,fcntl.LOCK_EX); fcntl.lockf(f,fcntl.LOCK_EX|fcntl.LOCK_NB); g=open('lock','w')\ntry: fcntl.flock(g,fcntl.LOCK_EX|fcntl.LOCK_NB)\nexcept OSError as e: print(e.errno)",
        ),
        (
            "ctypes",
            "import ctypes; l=ctypes.CDLL(None); print(l.abs(-5)); cb=ctypes.CFUNCTYPE(ctypes.c_int,ctypes.POINTER(ctypes.c_int),ctypes.POINTER(ctypes.c_int)); a=(ctypes.c_int*5)(5,3,1,4,2); l.qsort(a,5,4,cb(lambda x,y:x[0]-y[0])); print(list(a))",
        ),
        (
            "random-seeded",
            "import random; random.seed(5); print([random.randint(0,99) for _ in range(10)]); import secrets; print(len(secrets.token_hex(16)))",
        ),
    ];
    for (name, program) in programs {
        let unstable: &'static [&'static str] = if *name == "sqlite" { &["x.db"] } else { &[] };
        all.both(
            |full| {
                let case = garden(Case::new(full, [PYTHON, "-c", program]))
                    .needs(&["python3"])
                    .env("PYTHONDONTWRITEBYTECODE", "1")
                    .env("PYTHONHASHSEED", "0");
                unstable.iter().fold(case, |case, file| case.opaque(file))
            },
            &format!("python::{name}"),
        );
    }
    let sources = |case: Case| {
        (0..20).fold(case, |case, i| {
            case.setup(move |dir| {
                fs::write(
                    dir.join(format!("m{i}.py")),
                    format!(
                        "import os\ndef f{i}(x):\n    return [x * {i} for _ in range(x)]\nprint(f{i}(3))\n"
                    ),
                )
            })
        })
    };
    all.both(
        move |n| sources(Case::new(n, [PYTHON, "-m", "compileall", "-q", "."])).needs(&["python3"]),
        "python::compileall",
    );
    all.both(move |n| sources(Case::new(n, [PYTHON, "m7.py"])).needs(&["python3"]), "python::run-file");
    all.add(
        sources(Case::new("python::stdin", [PYTHON, "-"]))
            .needs(&["python3"])
            .stdin("import sys\nprint(sys.argv, 6*7)\n"),
    );
    all.add(Case::new("python::help", [PYTHON, "--help"]).needs(&["python3"]));
    all.add(
        Case::new("python::json-tool", [PYTHON, "-m", "json.tool"])
            .needs(&["python3"])
            .stdin("{\"a\": [1, 2]}"),
    );
    all.add(Case::new("python::unittest", [PYTHON, "-c", "import unittest\nclass T(unittest.TestCase):\n def test_a(self): self.assertEqual(1,1)\nr=unittest.TextTestRunner(stream=open('/dev/null','w')).run(unittest.defaultTestLoader.loadTestsFromTestCase(T)); print(r.testsRun, r.wasSuccessful())"]).needs(&["python3"]));
}
