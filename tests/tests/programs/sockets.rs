//! Programs that talk to each other over sockets: event loops, servers, pools of processes.

use fncall_tests::case::Case;

use crate::Collection;

const PYTHON: &str = "/usr/bin/python3";

/// A script that multiprocessing can import in its children.
const POOL: &str = "
import multiprocessing as mp, sys

def square(x):
    return x * x

def child(c):
    c.send({'got': c.recv()})

if __name__ == '__main__':
    c = mp.get_context(sys.argv[1])
    with c.Pool(3) as p:
        print(p.map(square, range(20)))
    a, b = c.Pipe()
    p = c.Process(target=child, args=(b,))
    p.start()
    a.send([1, 2])
    print(a.recv())
    p.join()
    print(p.exitcode)
    q = c.Queue()
    q.put('queued')
    print(q.get())
    with c.Manager() as m:
        d = m.dict(x=1)
        d['y'] = 2
        print(dict(d))
";

/// Tools that list devices, routes and sockets. The host has more of each, so they are asked for `lo` and their own.
fn devices(all: &mut Collection) {
    let ip: &[(&str, &str)] = &[
        ("address", "ip -4 addr show dev lo; ip -o addr show dev lo | grep -c 'inet6 ::1/128 scope host'"),
        ("link", "ip link show dev lo; ip link show dev nope; ip -br link show dev lo"),
        ("route", "ip route show table local dev lo; ip route get 127.0.0.1; ip route show table 77"),
        ("json", "ip -4 -j addr show dev lo"),
        ("change", "ip link set dev lo up && echo up; ip addr add 10.0.0.1/8 dev nope"),
    ];
    for (name, program) in ip {
        let title = format!("sockets::ip-{name}");
        all.add(Case::new(title, ["sh", "-c", program]).needs(&["ip"]));
    }
    all.add(
        Case::new("sockets::ifconfig", ["sh", "-c", "ifconfig lo | grep -v packets; netstat -i | head -2"])
            .needs(&["ifconfig", "netstat"]),
    );
    let listed: &[(&str, &[&str], &str)] = &[
        (
            "ss-tcp",
            &["python3", "ss"],
            "import socket,subprocess\ns=socket.create_server(('127.0.0.1',0)); p=str(s.getsockname()[1]); c=socket.create_connection(('127.0.0.1',p)); d,_=s.accept(); c.send(b'abc')\nfor a in (['-ltnH','sport = :'+p],['-tnH','dport = :'+p],['-tnH','sport = :'+p+' and dst 127.0.0.0/8'],['-tnH','dport = :'+p+' and dst 10.0.0.0/8']):\n o=subprocess.run(['ss']+a,stdout=-1,text=True).stdout.replace(p,'PORT').split('\\n'); print([l.split()[:3] for l in o])",
        ),
        (
            "ss-unix",
            &["python3", "ss"],
            "import socket,subprocess\ns=socket.socket(1,5); s.bind('\\0fncall-ss-test'); s.listen(3)\nprint([l.split()[:5] for l in subprocess.run(['ss','-xlnH'],stdout=-1,text=True).stdout.split('\\n') if 'fncall-ss-test' in l])",
        ),
        (
            "netstat",
            &["python3", "netstat"],
            "import socket,subprocess\ns=socket.create_server(('127.0.0.1',0)); u=socket.socket(2,2); u.bind(('127.0.0.1',0)); p=[str(x.getsockname()[1]) for x in (s,u)]\nfor l in subprocess.run(['netstat','-an'],stdout=-1,text=True).stdout.split('\\n'):\n w=l.split()\n if len(w)>3 and any(w[3]=='127.0.0.1:'+x for x in p): print(w[:3],w[4:])",
        ),
        ("if-nameindex", &["python3"], "import socket; print([x for x in socket.if_nameindex() if x[0]==1])"),
    ];
    for (name, needs, program) in listed {
        all.add(Case::new(format!("sockets::{name}"), [PYTHON, "-c", program]).needs(needs));
    }
    let program = "const a=require('os').networkInterfaces().lo; console.log(a[0]);";
    all.add(Case::new("sockets::node-interfaces", ["node", "-e", program]).needs(&["node"]));
}

pub fn sockets(all: &mut Collection) {
    let programs: &[(&str, &str)] = &[
        (
            "asyncio-subprocess",
            "import asyncio\nasync def run(n):\n p=await asyncio.create_subprocess_exec('sh','-c','read x; echo got $x; exit 3',stdin=-1,stdout=-1)\n return (await p.communicate(b'%d\\n'%n))[0], p.returncode\nasync def main(): print(await asyncio.gather(*[run(i) for i in range(8)]))\nasyncio.run(main())",
        ),
        (
            "asyncio-unix",
            "import asyncio\nasync def serve(r,w):\n d=await r.readline(); w.write(d*20000); await w.drain(); w.close()\nasync def ask(n):\n r,w=await asyncio.open_unix_connection('sock'); w.write(b'line %d\\n'%n); d=await r.read(); w.close(); return len(d)\nasync def main():\n s=await asyncio.start_unix_server(serve,'sock'); print(await asyncio.gather(*[ask(i) for i in range(20)])); s.close(); await s.wait_closed()\nasyncio.run(main())",
        ),
        (
            "socketserver",
            "import socketserver,socket,threading\nclass H(socketserver.StreamRequestHandler):\n def handle(self):\n  for l in self.rfile: self.wfile.write(l.upper())\nclass S(socketserver.ThreadingMixIn,socketserver.UnixStreamServer): pass\nwith S('sock',H) as s:\n threading.Thread(target=s.serve_forever,daemon=True).start()\n for i in range(5):\n  c=socket.socket(socket.AF_UNIX); c.connect('sock'); f=c.makefile('rw'); f.write('hello %d\\n'%i); f.flush(); print(f.readline(),end=''); f.close(); c.close()\n s.shutdown()",
        ),
        (
            "forking-server",
            "import socketserver,socket,threading\nclass H(socketserver.BaseRequestHandler):\n def handle(self): d,s=self.request; s.sendto(d[::-1],self.client_address)\nclass S(socketserver.ForkingMixIn,socketserver.UnixDatagramServer): pass\nwith S('sock',H) as s:\n threading.Thread(target=s.serve_forever,daemon=True).start()\n c=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); c.bind('client')\n for i in range(3): c.sendto(b'abc%d'%i,'sock'); print(c.recv(99))\n s.shutdown()",
        ),
        (
            "send-fds",
            "import socket,os\na,b=socket.socketpair(); pid=os.fork()\nif not pid:\n d,f,_,_=socket.recv_fds(b,99,9); os.write(f[1],d); os._exit(0)\nr,w=os.pipe(); socket.send_fds(a,[b'through'],[r,w]); os.waitpid(pid,0); print(os.read(r,99))",
        ),
        (
            "selectors",
            "import selectors,socket\nl=socket.socket(socket.AF_UNIX); l.bind('sock'); l.listen(); l.setblocking(False)\ns=selectors.DefaultSelector(); s.register(l,1,'accept')\ncs=[socket.socket(socket.AF_UNIX) for _ in range(5)]\nfor i,c in enumerate(cs): c.connect('sock'); c.sendall(b'x'*(i+1)); c.shutdown(1)\nn=total=0\nwhile n<5:\n for k,_ in s.select():\n  if k.data: c,_=l.accept(); s.register(c,1)\n  else:\n   d=k.fileobj.recv(3); total+=len(d)\n   if not d: s.unregister(k.fileobj); k.fileobj.close(); n+=1\nprint(total)",
        ),
        (
            "asyncio-tcp",
            "import asyncio\nasync def serve(r,w):\n d=await r.readline(); w.write(d*20000); await w.drain(); w.close()\nasync def ask(p,n):\n r,w=await asyncio.open_connection('127.0.0.1',p); w.write(b'line %d\\n'%n); d=await r.read(); w.close(); return len(d)\nasync def main():\n s=await asyncio.start_server(serve,'127.0.0.1',0); p=s.sockets[0].getsockname()[1]; print(await asyncio.gather(*[ask(p,i) for i in range(20)])); s.close()\n try: await ask(p,0)\n except ConnectionRefusedError: print('refused')\nasyncio.run(main())",
        ),
        (
            "asyncio-udp",
            "import asyncio\nclass E(asyncio.DatagramProtocol):\n def connection_made(self,t): self.t=t\n def datagram_received(self,d,a): self.t.sendto(d[::-1],a)\nclass C(asyncio.DatagramProtocol):\n def __init__(self,f): self.f=f\n def datagram_received(self,d,a): self.f.set_result(d)\nasync def main():\n l=asyncio.get_running_loop(); t,_=await l.create_datagram_endpoint(E,local_addr=('127.0.0.1',0)); f=l.create_future(); c,_=await l.create_datagram_endpoint(lambda:C(f),remote_addr=t.get_extra_info('sockname')); c.sendto(b'abc'); print(await f); c.close(); t.close()\nasyncio.run(main())",
        ),
        (
            "http",
            "import http.server,threading,urllib.request,functools\nopen('page','w').write('content '*1000)\nclass H(http.server.SimpleHTTPRequestHandler):\n def log_message(self,*a): pass\ns=http.server.ThreadingHTTPServer(('127.0.0.1',0),H); threading.Thread(target=s.serve_forever,daemon=True).start()\nfor _ in range(3): print(len(urllib.request.urlopen('http://127.0.0.1:%d/page'%s.server_port).read()))\ntry: urllib.request.urlopen('http://127.0.0.1:%d/none'%s.server_port)\nexcept Exception as e: print(e)\ns.shutdown()",
        ),
        (
            "tcp-between-processes",
            "import socket,os\ns=socket.create_server(('127.0.0.1',0)); n=s.getsockname()\nfor i in range(4):\n if not os.fork():\n  c=socket.create_connection(n); c.sendall(b'%d'%i*100000); c.shutdown(1); assert c.recv(9)==b'ok'; os._exit(0)\ngot=[]\nfor i in range(4):\n c,_=s.accept(); d=b''.join(iter(lambda:c.recv(65536),b'')); got.append((d[:1],len(d))); c.send(b'ok')\nfor i in range(4): print(os.wait()[1])\nprint(sorted(got))",
        ),
        (
            "families",
            "import socket\nfor f in (socket.AF_UNIX,):\n for t in (socket.SOCK_STREAM,socket.SOCK_DGRAM,socket.SOCK_SEQPACKET):\n  a,b=socket.socketpair(f,t); a.send(b'x'*5000); print(a.type, a.family, len(b.recv(9999)), a.getsockname(), a.gettimeout())\na.settimeout(0.05)\ntry: a.recv(1)\nexcept TimeoutError as e: print(e)",
        ),
    ];
    for (name, program) in programs {
        all.both(
            |full| Case::new(full, [PYTHON, "-c", program]).needs(&["python3"]),
            &format!("sockets::python-{name}"),
        );
    }
    devices(all);
    for method in ["fork", "spawn", "forkserver"] {
        all.add(
            Case::new(format!("sockets::python-pool-{method}"), [PYTHON, "pool.py", method])
                .needs(&["python3"])
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .file("pool.py", POOL),
        );
    }
    all.both(
        |full| {
            let program = "use IO::Socket::UNIX; my $s=IO::Socket::UNIX->new(Local=>'sock',Listen=>5) or die $!; if(!fork){ my $c=IO::Socket::UNIX->new(Peer=>'sock') or die $!; print $c \"hello\\n\"; print scalar <$c>; exit 5 } my $c=$s->accept; my $l=<$c>; print $c \"got $l\"; close $c; wait; print $?>>8, \"\\n\"; socketpair(A,B,AF_UNIX,SOCK_STREAM,0) or die $!; syswrite A,'zz'; sysread B,$x,5; print \"$x\\n\"; print unpack_sockaddr_un($s->sockname),\"\\n\";";
            Case::new(full, ["perl", "-e", program]).needs(&["perl"])
        },
        "sockets::perl",
    );
    let node: &[(&str, &str)] = &[
        (
            "spawn-sync",
            "const c=require('child_process'); const r=c.spawnSync('sh',['-c','cat; echo err >&2; exit 3'],{input:'fed'}); console.log(r.status,r.stdout.toString(),r.stderr.toString()); console.log(c.execSync('echo one; echo two').toString());",
        ),
        (
            "net",
            "const n=require('net'); const s=n.createServer(c=>c.on('data',d=>c.end(d.toString().toUpperCase()))).listen('sock',()=>{const c=n.connect('sock',()=>c.write('hello')); c.on('data',d=>console.log(d.toString())); c.on('close',()=>s.close())});",
        ),
        (
            "http",
            "const h=require('http'); const s=h.createServer((q,r)=>{r.end('you asked for '+q.url)}).listen(0,'127.0.0.1',()=>{h.get({port:s.address().port,host:'127.0.0.1',path:'/x'},r=>{r.on('data',d=>console.log(r.statusCode,d.toString())); r.on('end',()=>s.close())})});",
        ),
        (
            "fork",
            "const c=require('child_process'); if(process.argv[2]){process.on('message',m=>{process.send({echo:m}); process.disconnect()})}else{const k=c.fork(process.argv[1],['child']); k.on('message',m=>console.log(m)); k.on('exit',x=>console.log('exit',x)); k.send({a:1})}",
        ),
    ];
    for (name, program) in node {
        all.add(
            Case::new(format!("sockets::node-{name}"), ["node", "program.js"])
                .needs(&["node"])
                .opaque("sock")
                .file("program.js", *program),
        );
    }
    all.add(
        Case::new("sockets::javac", ["sh", "-c", "javac -d out Hello.java && java -cp out Hello"])
            .needs(&["javac"])
            .seconds(180)
            .file("Hello.java", "public class Hello { public static void main(String[] a) { System.out.println(\"hello\"); } }\n"),
    );
}
