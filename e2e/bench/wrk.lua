-- wrk's side of the bench: the request of the environment, at a steady rate where BENCH_RATE tells one; JSON at the end.
local ffi = require('ffi')
ffi.cdef [[
typedef struct { long seconds, nanoseconds; } bench_time;
int clock_gettime(int clock, bench_time *time);
]]
local MONOTONIC = 1

local file = assert(io.open(os.getenv('BENCH_BODY'), 'rb'))
wrk.method = 'POST'
wrk.body = file:read('*a')
file:close()
wrk.headers['Content-Type'] = 'application/json'
for name, value in os.getenv('BENCH_HEADERS'):gmatch('([^\n:]+): ([^\n]+)') do
  wrk.headers[name] = value
end

local rate = tonumber(os.getenv('BENCH_RATE'))
if rate then
  local time = ffi.new('bench_time')
  local slot
  -- Each request has its own slot of one schedule, however late the answers before it were.
  function delay()
    ffi.C.clock_gettime(MONOTONIC, time)
    local now = tonumber(time.seconds) * 1000 + tonumber(time.nanoseconds) / 1e6
    slot = (slot or now) + 1000 / rate
    return math.max(0, math.floor(slot - now))
  end
end

function done(summary, latency)
  local errors = summary.errors
  local result = assert(io.open(os.getenv('BENCH_RESULT'), 'w'))
  result:write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50":%.6f,"p99":%.6f,"errors":%d}',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
  result:close()
end
