-- wrk script: says at the end how many ms the answer in the middle took.

function done(_, latency)
  print(string.format("p50 %.3f", latency:percentile(50) / 1000))
end
