package peers;

import com.netflix.hystrix.HystrixCircuitBreaker;
import com.netflix.hystrix.HystrixCommandKey;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.IntFunction;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Measures, and writes each row as one line of three fields with tabs between: library, operation, nanoseconds a call (or
 * bytes, where the operation says so). {@code cargo xtask peers java} makes a table of them.
 */
public final class Main {
    private static final Map<String, String> OPERATIONS = Map.of(
            "atomicAdd", "atomic add", "closed", "closed call", "rejection", "rejection", "state", "state read",
            "allow", "limiter, allow", "deny", "limiter, deny");
    private static final Map<String, String> LIBRARIES = Map.of(
            "machine", "machine", "hystrix", "Hystrix 1.5.18", "resilience4j", "Resilience4j 2.3.0",
            "sentinel", "Sentinel 1.8.8", "failsafe", "Failsafe 3.3.2");
    /** Breakers of which one's bytes are told. */
    private static final int MANY = 1000;

    public static void main(String[] arguments) throws RunnerException {
        for (RunResult result : new Runner(options(1).build()).run()) {
            print(result, "");
        }
        for (RunResult result : new Runner(options(2).include("_closed").build()).run()) {
            print(result, ", 2 threads");
        }
        bytes("hystrix", Main::hystrix);
        bytes("resilience4j", number -> Breakers.resilience4j());
        bytes("failsafe", number -> Breakers.failsafe());
        // Hystrix keeps threads of its own.
        System.exit(0);
    }

    private static ChainedOptionsBuilder options(int threads) {
        return new OptionsBuilder()
                .mode(Mode.AverageTime).timeUnit(TimeUnit.NANOSECONDS)
                .warmupIterations(3).warmupTime(TimeValue.milliseconds(300))
                .measurementIterations(5).measurementTime(TimeValue.milliseconds(300))
                .forks(1).threads(threads)
                .jvmArgsAppend("-Dcsp.sentinel.log.dir=" + System.getProperty("csp.sentinel.log.dir"))
                .shouldFailOnError(true)
                .verbosity(VerboseMode.SILENT);
    }

    /** The least of the iterations: what disturbs one makes it longer. */
    private static void print(RunResult result, String suffix) {
        String[] parts = result.getParams().getBenchmark().replaceAll(".*\\.", "").split("_");
        double least = result.getPrimaryResult().getStatistics().getMin();
        System.out.printf("%s\t%s%s\t%.2f%n", LIBRARIES.get(parts[0]), OPERATIONS.get(parts[1]), suffix, least);
    }

    /** A command's first run makes its breaker, its counters and the rest of what Hystrix keeps for each key. */
    private static Object hystrix(int number) {
        new Breakers.Command("many " + number, false).execute();
        return HystrixCircuitBreaker.Factory.getInstance(HystrixCommandKey.Factory.asKey("many " + number));
    }

    private static void bytes(String library, IntFunction<Object> make) {
        Object[] kept = new Object[MANY];
        make.apply(MANY);
        long before = used();
        for (int number = 0; number < MANY; number++) {
            kept[number] = make.apply(number);
        }
        long after = used();
        System.out.printf("%s\tbytes of a breaker\t%d%n", LIBRARIES.get(library), (after - before) / kept.length);
    }

    private static long used() {
        for (int round = 0; round < 3; round++) {
            System.gc();
        }
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    private Main() {}
}
