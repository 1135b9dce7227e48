-- wrk script: GET of a random target. Arguments: a file with the ends of the targets, one a line, and what stands before each of them.
-- At the end it says how many ms the slowest of a hundred answers took.

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(arguments)
  math.randomseed(os.time() * 8 + number)
  requests = {}
  for target in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("GET", (arguments[2] or "") .. target)
  end
end

function request()
  return requests[math.random(#requests)]
end

function done(_, latency)
  print(string.format("p99 %.2f", latency:percentile(99) / 1000))
end
