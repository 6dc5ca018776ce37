// One run of promises: so many requests in flight, and another one for each that is done; flight.h has the same in C.

// What to do, from the command line. THREADS is how many requests are in flight.
export function planOf(args) {
    if (args.length !== 9) throw new Error('usage: main.js PEER URL CA_FILE HTTP THREADS BASES WARMUP SECONDS REQUESTS');
    const [peer, url, caFile, ...numbers] = args;
    const [http, threads, , warmup, seconds, requests] = numbers.map(Number);
    return { peer, url, caFile, http, threads, warmup, seconds, requests };
}

// Counts what is done, for all senders together. What is under way when the time is over is not counted.
export class Meter {
    constructor(plan) {
        this.plan = plan;
        this.left = plan.warmup * plan.threads;
        this.latencies = [];
    }

    async run(post) {
        await Promise.all(Array.from({ length: this.plan.threads }, () => this.send(post)));
    }

    async send(post) {
        for (let more = true; more;) {
            const since = performance.now();
            await post();
            more = this.done(since);
        }
    }

    // One more is, which began at `since`; whether to send another.
    done(since) {
        const now = performance.now();
        if (this.ended !== undefined) return false;
        if (this.began === undefined) {
            if (--this.left <= 0) {
                this.began = now;
                this.before = process.cpuUsage();
            }
            return true;
        }
        this.latencies.push(now - since);
        if (now - this.began >= this.plan.seconds * 1e3 || this.latencies.length >= this.plan.requests) {
            this.ended = now;
            this.cpu = process.cpuUsage(this.before);
        }
        return this.ended === undefined;
    }

    print() {
        const latencies = Float64Array.from(this.latencies).sort();
        const count = latencies.length;
        const micros = (share) => (latencies[Math.floor(count * share)] * 1e3).toFixed(2);
        const rps = ((count / (this.ended - this.began)) * 1e3).toFixed(1);
        const cpu = ((this.cpu.user + this.cpu.system) / count).toFixed(3);
        console.log(`requests=${count} rps=${rps} cpu_us=${cpu} p50_us=${micros(0.5)} p99_us=${micros(0.99)}`);
    }
}
