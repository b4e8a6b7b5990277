// Command peers measures circuit breakers and limiters of Go, and an atomic addition beside them.
//
// Each row is one line of three fields with tabs between: library, operation, nanoseconds a call (or bytes, where the
// operation says so). `cargo xtask peers go` makes a table of them.
package main

import (
	"errors"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"
)

const (
	closed    = "closed call"
	rejection = "rejection"
	state     = "state read"
	allow     = "limiter, allow"
	deny      = "limiter, deny"
	// Each is the least of so many: what disturbs a run makes it longer.
	rounds = 5
	// Breakers of which one's bytes are told.
	many = 1000
	// So long that what is open stays open.
	never = 1000 * time.Hour
)

var (
	errDown = errors.New("down")
	// What a result is written to, so that no call is optimised away.
	sink any
)

func main() {
	runtime.GOMAXPROCS(2)
	testing.Init()
	must(flag.Set("test.benchtime", "100ms") == nil)
	var word atomic.Uint64
	row("machine", "atomic add", func() { word.Add(1) })
	useGobreaker()
	useFailsafe()
	useRate()
}

func useGobreaker() {
	const library = "gobreaker 2.4"
	// A window of 10 s in 10 pieces, judged by its failure rate, as ours.
	settings := gobreaker.Settings{
		Interval:     10 * time.Second,
		BucketPeriod: time.Second,
		Timeout:      never,
		ReadyToTrip: func(counts gobreaker.Counts) bool {
			return counts.Requests >= 20 && 2*counts.TotalFailures >= counts.Requests
		},
	}
	succeed := func() (bool, error) { return true, nil }
	breaker := gobreaker.NewCircuitBreaker[bool](settings)
	row(library, closed, func() { breaker.Execute(succeed) })
	shared(library, closed, func() { breaker.Execute(succeed) })
	row(library, state, func() { breaker.State() })
	open := gobreaker.NewCircuitBreaker[bool](settings)
	for range 20 {
		open.Execute(func() (bool, error) { return false, errDown })
	}
	must(open.State() == gobreaker.StateOpen)
	row(library, rejection, func() { open.Execute(succeed) })
	bytesOf(library, func() any { return gobreaker.NewCircuitBreaker[bool](settings) })
}

func useFailsafe() {
	const library = "failsafe-go 0.9"
	build := func() circuitbreaker.CircuitBreaker[bool] {
		return circuitbreaker.NewBuilder[bool]().
			WithFailureRateThreshold(0.5, 20, 10*time.Second).
			WithDelay(never).
			Build()
	}
	succeed := func() (bool, error) { return true, nil }
	breaker := build()
	guarded := failsafe.With(breaker)
	row(library, closed, func() { guarded.Get(succeed) })
	shared(library, closed, func() { guarded.Get(succeed) })
	row(library, state, func() { breaker.State() })
	open := build()
	open.Open()
	rejecting := failsafe.With(open)
	row(library, rejection, func() { rejecting.Get(succeed) })
	row(library+", permit alone", rejection, func() { open.TryAcquirePermit() })
	bytesOf(library, func() any { return build() })

	roomy := ratelimiter.NewBurstyBuilder[bool](1<<30, time.Second).Build()
	row(library, allow, func() { roomy.TryAcquirePermit() })
	empty := ratelimiter.NewBurstyBuilder[bool](1, never).Build()
	must(empty.TryAcquirePermit())
	row(library, deny, func() { empty.TryAcquirePermit() })
}

func useRate() {
	const library = "x/time/rate 0.16"
	roomy := rate.NewLimiter(1e9, 1<<30)
	row(library, allow, func() { roomy.Allow() })
	shared(library, allow, func() { roomy.Allow() })
	empty := rate.NewLimiter(rate.Every(never), 1)
	must(empty.Allow())
	row(library, deny, func() { empty.Allow() })
}

// row measures operation on one goroutine.
func row(library, name string, operation func()) {
	emit(library, name, 1, func(b *testing.B) {
		for range b.N {
			operation()
		}
	})
}

// shared measures operation on two threads at once, both on the same object: what a call takes its thread.
func shared(library, name string, operation func()) {
	emit(library, name+", 2 threads", 2, func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				operation()
			}
		})
	})
}

func emit(library, name string, threads int, bench func(b *testing.B)) {
	var times [rounds]float64
	for i := range times {
		result := testing.Benchmark(bench)
		times[i] = float64(threads) * float64(result.T.Nanoseconds()) / float64(result.N)
	}

	fmt.Printf("%s\t%s\t%.2f\n", library, name, slices.Min(times[:]))
}

// bytesOf tells what one of many objects adds to the heap.
func bytesOf(library string, build func() any) {
	kept := make([]any, many)
	before := heap()
	for i := range kept {
		kept[i] = build()
	}
	after := heap()
	sink = kept
	fmt.Printf("%s\tbytes of a breaker\t%d\n", library, (after-before)/many)
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func must(holds bool) {
	if !holds {
		panic("a peer is not in the state that its row is about")
	}
}
