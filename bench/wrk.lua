-- Distinct webhook bodies for wrk. Arguments after `--`: file of templates, run, sends of each body.
-- The same as bench/client.py does in Python: change both together.

local PLACEHOLDER = "alt_00000000000000"
local EVENTS_OF_ONE_ALERT = 4
local PERIOD = 128 -- requests between two sends of one body

local heads, tails = {}, {}
local run, repeats
local sent = 0

function init(arguments)
   run, repeats = arguments[2], tonumber(arguments[3])
   for body in io.lines(arguments[1]) do
      local first, last = body:find(PLACEHOLDER, 1, true)
      heads[#heads + 1] = string.format(
         "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
         wrk.path, wrk.headers["Host"], #body, body:sub(1, first - 1)
      )
      tails[#tails + 1] = body:sub(last + 1)
   end
end

function request()
   local block = math.floor(sent / (PERIOD * repeats))
   local index = block * PERIOD + sent % PERIOD
   sent = sent + 1
   local template = index % #heads + 1
   local alert = math.floor(index / EVENTS_OF_ONE_ALERT)
   return string.format("%salt_%s%012d%s", heads[template], run, alert, tails[template])
end

function done(summary, latency)
   local errors = summary.errors
   local unanswered = errors.connect + errors.read + errors.write + errors.timeout
   print(string.format(
      '{"duration_s": %.6f, "answers": %d, "refused": %d, "unanswered": %d, "p50_ms": %.3f, "p99_ms": %.3f}',
      summary.duration / 1e6, summary.requests, errors.status, unanswered,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
   ))
end
