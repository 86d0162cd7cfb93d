#: needs java javac
#: seconds 180
# Java: threads, processes, files mapped, sockets, signals, several collectors, jar, jshell.
export HOME=$PWD; unset JAVA_TOOL_OPTIONS
cat > T.java <<'J'
import java.io.*; import java.net.*; import java.net.http.*; import java.nio.*; import java.nio.channels.*; import java.nio.file.*; import java.util.*; import java.util.concurrent.*; import java.util.concurrent.atomic.*; import java.util.stream.*;
public class T {
  public static void main(String[] a) throws Exception {
    AtomicInteger n = new AtomicInteger(); Thread[] t = new Thread[200]; for (int i = 0; i < 200; i++) (t[i] = new Thread(n::incrementAndGet)).start(); for (Thread x : t) x.join(); System.out.println(n);
    System.out.println(IntStream.range(0, 100000).parallel().mapToLong(i -> i).sum());
    ExecutorService e = Executors.newFixedThreadPool(8); List<Future<Integer>> f = new ArrayList<>(); for (int i = 0; i < 50; i++) { int k = i; f.add(e.submit(() -> k * k)); } int s = 0; for (Future<Integer> x : f) s += x.get(); System.out.println(s); e.shutdown();
    Process p = new ProcessBuilder("sh", "-c", "cat; echo err >&2; exit 3").redirectErrorStream(true).start(); try (OutputStream o = p.getOutputStream()) { o.write("in\n".getBytes()); } System.out.print(new String(p.getInputStream().readAllBytes())); System.out.println(p.waitFor());
    Process k = new ProcessBuilder("sleep", "99").start(); System.out.println(k.isAlive()); k.destroyForcibly(); System.out.println(k.waitFor()); try { new ProcessBuilder("/no/such").start(); } catch (IOException x) { System.out.println(x.getMessage().contains("error=2")); }
    List<ProcessBuilder> pb = List.of(new ProcessBuilder("seq", "5"), new ProcessBuilder("sort", "-r")); List<Process> pl = ProcessBuilder.startPipeline(pb); System.out.print(new String(pl.get(1).getInputStream().readAllBytes()).replace("\n", " ")); System.out.println(ProcessHandle.current().pid() > 0);
    ServerSocket ss = new ServerSocket(0, 9, InetAddress.getLoopbackAddress()); new Thread(() -> { try (Socket c = ss.accept()) { c.getOutputStream().write(c.getInputStream().readNBytes(5)); } catch (IOException x) { System.out.println(x); } }).start(); try (Socket c = new Socket(ss.getInetAddress(), ss.getLocalPort())) { c.getOutputStream().write("hello".getBytes()); System.out.println(new String(c.getInputStream().readAllBytes())); }
    var hs = com.sun.net.httpserver.HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0); hs.createContext("/", x -> { x.sendResponseHeaders(200, 4); x.getResponseBody().write("body".getBytes()); x.close(); }); hs.start(); System.out.println(HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + hs.getAddress().getPort())).build(), HttpResponse.BodyHandlers.ofString()).body()); hs.stop(0);
    Path q = Path.of("map"); try (FileChannel c = FileChannel.open(q, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) { MappedByteBuffer b = c.map(FileChannel.MapMode.READ_WRITE, 0, 8192); b.putInt(4096, 42); b.force(); try (FileLock l = c.lock()) { System.out.println(l.isValid()); } } System.out.println(Files.size(q) + " " + ByteBuffer.wrap(Files.readAllBytes(q)).getInt(4096));
    WatchService w = FileSystems.getDefault().newWatchService(); Path.of(".").register(w, StandardWatchEventKinds.ENTRY_CREATE); Files.deleteIfExists(Path.of("seen")); Files.createFile(Path.of("seen")); WatchKey key = w.poll(20, TimeUnit.SECONDS); System.out.println(key.pollEvents().get(0).context());
    Selector sel = Selector.open(); Pipe pi = Pipe.open(); pi.source().configureBlocking(false); pi.source().register(sel, SelectionKey.OP_READ); pi.sink().write(ByteBuffer.wrap(new byte[3])); System.out.println(sel.select(5000)); System.out.println(sel.select(50));
    try { int[] z = null; z[0] = 1; } catch (NullPointerException x) { System.out.println("npe"); } try { deep(0); } catch (StackOverflowError x) { System.out.println("deep"); } try { System.out.println(1 / (a.length)); } catch (ArithmeticException x) { System.out.println("zero"); }
    List<byte[]> big = new ArrayList<>(); try { for (;;) big.add(new byte[1 << 20]); } catch (OutOfMemoryError x) { big = null; System.out.println("oom"); } System.gc();
    Thread v = new Thread(() -> { try { Thread.sleep(99999); } catch (InterruptedException x) { System.out.println("interrupted"); } }); v.start(); v.interrupt(); v.join(); Object lock = new Object(); synchronized (lock) { lock.wait(20); } ScheduledExecutorService se = Executors.newScheduledThreadPool(1); System.out.println(se.schedule(() -> "later", 30, TimeUnit.MILLISECONDS).get()); se.shutdown();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook"))); System.exit(5);
  }
  static int deep(int n) { return deep(n + 1) + 1; }
}
J
javac T.java; echo $?
for gc in Serial Parallel G1; do java -XX:+Use${gc}GC -Xmx64m -cp . T > $gc; echo $gc $?; done; cat G1; cmp G1 Serial; cmp G1 Parallel
printf 'Main-Class: T\n' > m; jar cfm t.jar m *.class; java -Xmx64m -jar t.jar | tail -n 1; java -Xint -cp . T | head -n 2
echo 'public class H { public static void main(String[] a) throws Exception { Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook"))); System.out.println("up"); Thread.sleep(99999); } }' > H.java
java H.java > up & p=$!; for i in $(seq 200); do grep -qs up up && break; sleep 0.1; done; kill $p; wait $p; echo $?; cat up
java -XX:ErrorFile=/dev/null -cp . nope 2>&1 | head -n 1; printf 'int x = 6 * 7\nSystem.out.println(x)\n/exit 3\n' | jshell -s - 2> /dev/null; echo $?
