-- wrk script: GET of a random asset. Argument: a file with the ids, one a line.

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(arguments)
  math.randomseed(os.time() * 8 + number)
  requests = {}
  for id in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("GET", "/assets/" .. id)
  end
end

function request()
  return requests[math.random(#requests)]
end
