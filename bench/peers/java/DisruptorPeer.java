import com.lmax.disruptor.BusySpinWaitStrategy;
import com.lmax.disruptor.BatchEventProcessor;
import com.lmax.disruptor.EventHandler;
import com.lmax.disruptor.RingBuffer;

/** LMAX Disruptor: events that live in the ring, a batch processor that spins, ranges published at once. */
final class DisruptorPeer {
  static final class Event {
    long value;
  }

  /** Adds up what it gets, and stops its processor at the last item. */
  static final class Summing implements EventHandler<Event> {
    private final long last;
    long sum;
    BatchEventProcessor<Event> processor;

    Summing(long count) {
      last = count - 1;
    }

    @Override
    public void onEvent(Event event, long sequence, boolean endOfBatch) {
      sum += event.value;
      if (sequence == last) processor.halt();
    }
  }

  private static double transfer(boolean multi, int batch, long count) throws Exception {
    BusySpinWaitStrategy spinning = new BusySpinWaitStrategy();
    RingBuffer<Event> ring = multi
        ? RingBuffer.createMultiProducer(Event::new, Measure.CAPACITY, spinning)
        : RingBuffer.createSingleProducer(Event::new, Measure.CAPACITY, spinning);
    Summing handler = new Summing(count);
    handler.processor = new BatchEventProcessor<>(ring, ring.newBarrier(), handler);
    ring.addGatingSequences(handler.processor.getSequence());
    return Measure.transfer(
        multi ? 2 : 1,
        count,
        (producer, from, to) -> {
          if (batch == 1) perItem(ring, from, to);
          else batches(ring, batch, from, to);
        },
        expected -> {
          handler.processor.run();
          return handler.sum;
        });
  }

  private static void perItem(RingBuffer<Event> ring, long from, long to) {
    for (long i = from; i < to; i++) {
      long sequence = ring.next();
      ring.get(sequence).value = i;
      ring.publish(sequence);
    }
  }

  private static void batches(RingBuffer<Event> ring, int batch, long from, long to) {
    for (long i = from; i < to; i += batch) {
      long high = ring.next(batch);
      long low = high - batch + 1;
      for (int k = 0; k < batch; k++) ring.get(low + k).value = i + k;
      ring.publish(low, high);
    }
  }

  public static void main(String[] args) throws Exception {
    Measure measure = new Measure(args, "disruptor", "Disruptor");
    measure.rate("spsc-8B-per-item", count -> transfer(false, 1, count));
    measure.rate("spsc-8B-batch-64", count -> transfer(false, 64, count));
    measure.rate("spsc-8B-batch-256", count -> transfer(false, 256, count));
    measure.rate("mpsc-2p-8B-per-item", count -> transfer(true, 1, count));
    measure.rate("mpsc-2p-8B-batch-64", count -> transfer(true, 64, count));
    measure.rate("mpsc-2p-8B-batch-256", count -> transfer(true, 256, count));
    System.exit(0);
  }
}
