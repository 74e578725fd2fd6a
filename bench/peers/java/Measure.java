import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/**
 * What both Java drivers share: options, warm-up and repetition of a case, the JSON line, pinned threads that start
 * together. The rules are those of measure.hpp and threads.hpp; the warm-up is longer, for the compiler in the machine.
 */
final class Measure {
  /** Items a ring holds. */
  static final int CAPACITY = 8_192;

  /** Counts are multiples of this, so that two producers and batches of 256 come out even. */
  private static final long COUNT_UNIT = 512;

  /** Seconds a case runs before it is measured: interpreter, both compilers and their last replacement are behind it. */
  private static final double WARM_UP_SECONDS = 1.5;

  /** Does {@code count} items; returns the seconds they took; throws when what arrived is not what was sent. */
  interface Transfer {
    double run(long count) throws Exception;
  }

  /** Sends the numbers from … to − 1. */
  interface Produce {
    void run(int producer, long from, long to);
  }

  /** Takes {@code count} items; returns their sum. */
  interface Consume {
    long run(long count) throws Exception;
  }

  private final String peer;
  private final String version;
  private int runs = 5;
  private double seconds = 1;
  private String only = "";

  Measure(String[] args, String peer, String library) {
    this.peer = peer;
    this.version = library + " " + System.getProperty("peer.version", "of unknown version");
    for (int i = 0; i + 1 < args.length; i += 2) {
      switch (args[i]) {
        case "--runs" -> runs = Math.max(1, Integer.parseInt(args[i + 1]));
        case "--seconds" -> seconds = Math.max(0.01, Double.parseDouble(args[i + 1]));
        case "--case" -> only = args[i + 1];
        default -> throw new IllegalArgumentException("unknown option " + args[i]);
      }
    }
  }

  void rate(String name, Transfer transfer) throws Exception {
    if (!only.isEmpty() && !only.equals(name)) return;
    long count = COUNT_UNIT;
    double warm = 0;
    for (;;) {
      double took = transfer.run(count);
      warm += took;
      if (took < seconds / 10) {
        count *= 2;
      } else if (warm >= WARM_UP_SECONDS) {
        count = Math.max(1, (long) (count * seconds / took) / COUNT_UNIT) * COUNT_UNIT;
        break;
      }
    }
    double[] rates = new double[runs];
    for (int run = 0; run < runs; run++) rates[run] = count / transfer.run(count);
    print(name, rates);
  }

  private void print(String name, double[] rates) {
    double[] sorted = rates.clone();
    Arrays.sort(sorted);
    StringBuilder list = new StringBuilder();
    for (double rate : rates) list.append(list.isEmpty() ? "" : ",").append(String.format(Locale.ROOT, "%.1f", rate));
    System.out.printf(
        Locale.ROOT,
        "{\"peer\":\"%s\",\"version\":\"%s\",\"case\":\"%s\",\"unit\":\"items/s\",\"value\":%.1f,\"runs\":[%s]}%n",
        peer, version, name, sorted[sorted.length / 2], list);
  }

  /**
   * {@code producers} threads send the numbers 1 … count between them. Returns the seconds from the common start to the
   * last item's arrival.
   */
  static double transfer(int producers, long count, Produce produce, Consume consume) throws Exception {
    AtomicInteger missing = new AtomicInteger(producers + 1);
    AtomicReference<Throwable> failure = new AtomicReference<>();
    double[] took = new double[1];
    long[] sum = new long[1];
    List<Thread> threads = new ArrayList<>();
    long share = count / producers;
    for (int p = 0; p < producers; p++) {
      int producer = p;
      threads.add(thread(failure, producer == 0 ? 0 : producer + 1, () -> {
        arrive(missing);
        produce.run(producer, 1 + share * producer, 1 + share * (producer + 1));
      }));
    }
    threads.add(thread(failure, 1, () -> {
      arrive(missing);
      long start = System.nanoTime();
      sum[0] = consume.run(count);
      took[0] = (System.nanoTime() - start) / 1e9;
    }));
    for (Thread thread : threads) thread.start();
    for (Thread thread : threads) thread.join();
    if (failure.get() != null) throw new IllegalStateException(failure.get());
    verify(sum[0], count);
    return took[0];
  }

  static void verify(long sum, long count) {
    if (sum != count * (count + 1) / 2) throw new IllegalStateException("wrong result: sum of the items received");
  }

  /** How a thread waits: spins, and yields after a thousand rounds. Returns the new number of rounds. */
  static int idle(int rounds) {
    if (rounds < 1_000) {
      Thread.onSpinWait();
      return rounds + 1;
    }
    Thread.yield();
    return 0;
  }

  private interface Body {
    void run() throws Exception;
  }

  private static Thread thread(AtomicReference<Throwable> failure, int cpu, Body body) {
    return new Thread(() -> {
      try {
        pin(cpu);
        body.run();
      } catch (Throwable error) {
        // The other side would wait for ever.
        error.printStackTrace();
        failure.compareAndSet(null, error);
        Runtime.getRuntime().halt(1);
      }
    });
  }

  private static void arrive(AtomicInteger missing) {
    missing.decrementAndGet();
    for (int rounds = 0; missing.get() > 0; ) rounds = idle(rounds);
  }

  /** The JVM has no call for this; `taskset` moves the thread by its kernel id. */
  private static void pin(int wanted) throws IOException, InterruptedException {
    List<Integer> cpus = new ArrayList<>();
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (!line.startsWith("Cpus_allowed_list:")) continue;
      for (String range : line.substring(line.indexOf(':') + 1).trim().split(",")) {
        String[] ends = range.split("-");
        int last = Integer.parseInt(ends[ends.length - 1]);
        for (int cpu = Integer.parseInt(ends[0]); cpu <= last; cpu++) cpus.add(cpu);
      }
    }
    String thread = Path.of("/proc/thread-self").toRealPath().getFileName().toString();
    int cpu = cpus.get(wanted < cpus.size() ? wanted : 0);
    Process taskset = new ProcessBuilder("taskset", "-p", "-c", String.valueOf(cpu), thread)
        .redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
    if (taskset.waitFor() != 0) throw new IOException("taskset could not pin thread " + thread + " to CPU " + cpu);
  }
}
