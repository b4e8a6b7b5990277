package peers;

import io.github.resilience4j.ratelimiter.RateLimiter;
import io.github.resilience4j.ratelimiter.RateLimiterConfig;
import java.time.Duration;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** A limiter that always has room, and one that has none any more. */
@State(Scope.Benchmark)
public class Limiters {
    private final RateLimiter resilience4j = resilience4j(1_000_000_000, Duration.ofSeconds(1));
    private final RateLimiter resilience4jEmpty = resilience4j(1, Breakers.NEVER);
    private final dev.failsafe.RateLimiter<Object> failsafe =
            dev.failsafe.RateLimiter.burstyBuilder(1_000_000_000, Duration.ofSeconds(1)).build();
    private final dev.failsafe.RateLimiter<Object> failsafeEmpty =
            dev.failsafe.RateLimiter.burstyBuilder(1, Breakers.NEVER).build();

    public Limiters() {
        if (!resilience4jEmpty.acquirePermission() || !failsafeEmpty.tryAcquirePermit()) {
            throw new IllegalStateException("a new limiter has a permit");
        }
    }

    @Benchmark
    public boolean resilience4j_allow() {
        return resilience4j.acquirePermission();
    }

    @Benchmark
    public boolean resilience4j_deny() {
        return resilience4jEmpty.acquirePermission();
    }

    @Benchmark
    public boolean failsafe_allow() {
        return failsafe.tryAcquirePermit();
    }

    @Benchmark
    public boolean failsafe_deny() {
        return failsafeEmpty.tryAcquirePermit();
    }

    private static RateLimiter resilience4j(int permits, Duration period) {
        return RateLimiter.of("peer", RateLimiterConfig.custom()
                .limitForPeriod(permits)
                .limitRefreshPeriod(period)
                .timeoutDuration(Duration.ZERO)
                .build());
    }
}
