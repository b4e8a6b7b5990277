package peers;

import com.alibaba.csp.sentinel.Entry;
import com.alibaba.csp.sentinel.SphU;
import com.alibaba.csp.sentinel.slots.block.BlockException;
import com.alibaba.csp.sentinel.slots.block.RuleConstant;
import com.alibaba.csp.sentinel.slots.block.degrade.DegradeRule;
import com.alibaba.csp.sentinel.slots.block.degrade.DegradeRuleManager;
import com.alibaba.csp.sentinel.Tracer;
import com.netflix.hystrix.HystrixCircuitBreaker;
import com.netflix.hystrix.HystrixCommand;
import com.netflix.hystrix.HystrixCommandGroupKey;
import com.netflix.hystrix.HystrixCommandKey;
import com.netflix.hystrix.HystrixCommandProperties;
import com.netflix.hystrix.HystrixCommandProperties.ExecutionIsolationStrategy;
import dev.failsafe.CircuitBreaker;
import dev.failsafe.CircuitBreakerOpenException;
import dev.failsafe.Failsafe;
import dev.failsafe.FailsafeExecutor;
import io.github.resilience4j.circuitbreaker.CallNotPermittedException;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig.SlidingWindowType;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** Each breaker as its documentation shows it: half of 20 calls or more within 10 s. A method is named library_operation. */
@State(Scope.Benchmark)
public class Breakers {
    /** So long that what is open stays open. */
    static final Duration NEVER = Duration.ofHours(1000);

    private final AtomicLong word = new AtomicLong();
    private final io.github.resilience4j.circuitbreaker.CircuitBreaker resilience4j = resilience4j();
    private final io.github.resilience4j.circuitbreaker.CircuitBreaker resilience4jOpen = resilience4j();
    private final CircuitBreaker<Boolean> failsafe = failsafe();
    private final CircuitBreaker<Boolean> failsafeOpen = failsafe();
    private final FailsafeExecutor<Boolean> guarded = Failsafe.with(failsafe);
    private final FailsafeExecutor<Boolean> rejecting = Failsafe.with(failsafeOpen);
    private HystrixCircuitBreaker hystrix;

    @Setup
    public void open() throws Exception {
        resilience4jOpen.transitionToOpenState();
        failsafeOpen.open();
        new Command("closed", false).execute();
        hystrix = HystrixCircuitBreaker.Factory.getInstance(HystrixCommandKey.Factory.asKey("closed"));
        DegradeRuleManager.loadRules(List.of(rule("closed"), rule("open")));
        for (int call = 0; call < 20; call++) {
            Entry entry = SphU.entry("open");
            Tracer.traceEntry(new IllegalStateException("down"), entry);
            entry.exit();
        }
        must(!hystrix_rejection(), "Hystrix");
        must(!resilience4j_rejection(), "Resilience4j");
        must(!sentinel_rejection(), "Sentinel");
        must(!failsafe_rejection(), "Failsafe");
    }

    private static void must(boolean isOpen, String library) {
        if (!isOpen) {
            throw new IllegalStateException(library + " is not open");
        }
    }

    @Benchmark
    public long machine_atomicAdd() {
        return word.getAndIncrement();
    }

    @Benchmark
    public boolean hystrix_closed() {
        return new Command("closed", false).execute();
    }

    @Benchmark
    public boolean hystrix_rejection() {
        return new Command("open", true).execute();
    }

    @Benchmark
    public boolean hystrix_state() {
        return hystrix.isOpen();
    }

    @Benchmark
    public boolean resilience4j_closed() {
        return resilience4j.executeSupplier(() -> true);
    }

    @Benchmark
    public boolean resilience4j_rejection() {
        try {
            return resilience4jOpen.executeSupplier(() -> true);
        } catch (CallNotPermittedException rejected) {
            return false;
        }
    }

    @Benchmark
    public Object resilience4j_state() {
        return resilience4j.getState();
    }

    @Benchmark
    public boolean sentinel_closed() throws BlockException {
        try (Entry entry = SphU.entry("closed")) {
            return true;
        }
    }

    @Benchmark
    public boolean sentinel_rejection() {
        try (Entry entry = SphU.entry("open")) {
            return true;
        } catch (BlockException rejected) {
            return false;
        }
    }

    @Benchmark
    public boolean failsafe_closed() {
        return guarded.get(() -> true);
    }

    @Benchmark
    public boolean failsafe_rejection() {
        try {
            return rejecting.get(() -> true);
        } catch (CircuitBreakerOpenException rejected) {
            return false;
        }
    }

    @Benchmark
    public Object failsafe_state() {
        return failsafe.getState();
    }

    static io.github.resilience4j.circuitbreaker.CircuitBreaker resilience4j() {
        return io.github.resilience4j.circuitbreaker.CircuitBreaker.of("peer", CircuitBreakerConfig.custom()
                .slidingWindowType(SlidingWindowType.TIME_BASED).slidingWindowSize(10).minimumNumberOfCalls(20)
                .waitDurationInOpenState(NEVER)
                .build());
    }

    static CircuitBreaker<Boolean> failsafe() {
        return CircuitBreaker.<Boolean>builder()
                .withFailureRateThreshold(50, 20, Duration.ofSeconds(10))
                .withDelay(NEVER)
                .build();
    }

    /** A command on the caller's thread: with its own thread pool each call would be a switch of threads. */
    static final class Command extends HystrixCommand<Boolean> {
        Command(String key, boolean open) {
            super(Setter.withGroupKey(HystrixCommandGroupKey.Factory.asKey("peers"))
                    .andCommandKey(HystrixCommandKey.Factory.asKey(key))
                    .andCommandPropertiesDefaults(HystrixCommandProperties.Setter()
                            .withExecutionIsolationStrategy(ExecutionIsolationStrategy.SEMAPHORE)
                            .withExecutionTimeoutEnabled(false)
                            .withCircuitBreakerForceOpen(open)));
        }

        @Override
        protected Boolean run() {
            return true;
        }

        @Override
        protected Boolean getFallback() {
            return false;
        }
    }

    private static DegradeRule rule(String resource) {
        return new DegradeRule(resource)
                .setGrade(RuleConstant.DEGRADE_GRADE_EXCEPTION_RATIO)
                .setCount(0.5)
                .setMinRequestAmount(20)
                .setStatIntervalMs(10_000)
                // Seconds; Sentinel keeps it in milliseconds, in 32 bits.
                .setTimeWindow(2_000_000);
    }
}
