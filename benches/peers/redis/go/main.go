// Measures redis_rate on a Redis server, and an INCR of the same client beside it.
//
// Each row is one line of three fields with tabs between: library, operation, nanoseconds a request, as 64 goroutines make them. The
// argument is the server's address.
package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
)

const (
	tasks  = 64
	rounds = 3 // each row is the least of so many
	round  = 500 * time.Millisecond
)

var library = "redis_rate"

// measure calls request with its goroutine's number.
func measure(operation string, request func(task int) error) {
	least := math.Inf(1)
	for n := 0; n < rounds; n++ {
		var total atomic.Int64
		var group sync.WaitGroup
		begin := time.Now()
		for task := 0; task < tasks; task++ {
			group.Add(1)
			go func() {
				defer group.Done()
				count := int64(0)
				for ; time.Since(begin) < round; count++ {
					if err := request(task); err != nil {
						panic(err)
					}
				}
				total.Add(count)
			}()
		}
		group.Wait()
		least = min(least, float64(time.Since(begin).Nanoseconds())/float64(total.Load()))
	}
	fmt.Printf("%s\t%s\t%.2f\n", library, operation, least)
}

func main() {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/go-redis/redis_rate/v10" {
				library = "redis_rate " + module.Version
			}
		}
	}
	options, err := redis.ParseURL(os.Args[1])
	if err != nil {
		panic(err)
	}
	options.PoolSize = tasks
	client := redis.NewClient(options)
	limiter := redis_rate.NewLimiter(client)
	ctx := context.Background()
	many := redis_rate.PerSecond(1_000_000_000)
	measure("INCR", func(task int) error {
		return client.Incr(ctx, fmt.Sprintf("go %d", task%16)).Err()
	})
	measure("token bucket, a key for each task", func(task int) error {
		_, err := limiter.Allow(ctx, fmt.Sprintf("many %d", task), many)
		return err
	})
	measure("token bucket, one hot key", func(int) error {
		_, err := limiter.Allow(ctx, "hot", many)
		return err
	})
	measure("one hot key, denied", func(int) error {
		_, err := limiter.Allow(ctx, "none", redis_rate.PerHour(1))
		return err
	})
}
