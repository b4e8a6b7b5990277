// A service with a pool of threads: every job runs behind a breaker, a limit on calls in flight and a rate, asked as one. A job that throws
// is a failure, one whose deadline has passed in the queue is not even begun.
#include <fuseboard.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

/// Threads that run jobs in the order in which they came.
class pool {
public:
    explicit pool(unsigned threads)
    {
        for (unsigned number = 0; number < threads; number++) threads_.emplace_back([this] { work(); });
    }
    ~pool() { finish(); }
    /// Waits for the jobs that are there; how many were not worth it.
    int finish()
    {
        {
            const std::lock_guard lock(mutex_);
            is_over_ = true;
        }
        wake_.notify_all();
        for (auto &thread : threads_) thread.join();
        threads_.clear();
        return shed_;
    }
    void run(std::function<void()> job)
    {
        {
            const std::lock_guard lock(mutex_);
            jobs_.push_back({std::chrono::steady_clock::now(), std::move(job)});
        }
        wake_.notify_one();
    }

private:
    struct waiting {
        std::chrono::steady_clock::time_point since;
        std::function<void()> job;
    };

    void work()
    {
        for (;;) {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return is_over_ || !jobs_.empty(); });
            if (jobs_.empty()) return;
            const waiting next = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            // A queue that stands is shed from: its oldest jobs are answers that nobody waits for any more.
            if (codel_.try_serve(next.since)) next.job();
            else shed_++;
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<waiting> jobs_;
    bool is_over_ = false;
    std::atomic<int> shed_{0};
    const fuseboard::codel codel_{50ms, 1s};
    std::vector<std::thread> threads_;
};

/// A database that breaks in the middle.
static int query(int number)
{
    if (number >= 40) throw std::runtime_error("the database has gone away");
    return number;
}

int main()
{
    const fuseboard::breaker breaker(fuseboard::breaker_config()
                                         .window(fuseboard::window::consecutive(5))
                                         .open_timeout(1h));
    const fuseboard::concurrency connections(8);
    const fuseboard::token_bucket rate(fuseboard::rate::per_second(1'000'000), 1'000'000);
    const auto database = fuseboard::admission(breaker).with(connections).with(rate);

    std::atomic<int> answered{0}, failed{0}, rejected{0};
    int shed = 0;
    {
        pool workers(4);
        for (int number = 0; number < 100; number++)
            workers.run([&, number] {
                try {
                    database.call([number] { return query(number); });
                    answered++;
                } catch (const fuseboard::rejected_error &) {
                    rejected++;
                } catch (const std::exception &) {
                    failed++;
                }
            });
        shed = workers.finish();
    }
    std::printf("%d answered, %d failed, %d rejected at once, %d too late; the breaker is %s, %u connections in use\n",
                answered.load(), failed.load(), rejected.load(), shed, to_string(breaker.state()),
                static_cast<unsigned>(connections.in_flight()));
    return answered + failed + rejected + shed == 100 ? 0 : 1;
}
