-- wrk script: POST of an asset under a fresh random id. Arguments: the template of the document (assets.py), a file prefix for a
-- sample of the ids that were answered as stored, and a number that no other run has.

local EVERY = 50
local all = {}

function setup(thread)
  all[#all + 1] = thread
  thread:set("number", #all)
end

function init(arguments)
  math.randomseed(os.time() * 4096 + tonumber(arguments[3]) * 64 + number)
  local template = io.open(arguments[1]):read("*a")
  -- The template holds DATA once, then ID twice.
  local before, middle, between, after = template:match("^(.-)DATA(.-)<Guid>ID(.-)<ID>ID(.*)$")
  pieces = { before, middle .. "<Guid>", between .. "<ID>", after }
  sample = io.open(arguments[2] .. "-" .. number, "w")
  stored, refused = 0, 0
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "text/xml"
end

function request()
  local id = string.format("%08x-%04x-4%03x-8%03x-%06x%06x", math.random(0, 0xffffffff), math.random(0, 0xffff), math.random(0, 0xfff),
    math.random(0, 0xfff), math.random(0, 0xffffff), math.random(0, 0xffffff))
  return wrk.format(nil, "/assets/", nil, pieces[1] .. id:gsub("-", "+") .. pieces[2] .. id .. pieces[3] .. id .. pieces[4])
end

function response(status, headers, body)
  local id = status == 200 and body:match("<string>(%x+%-%x+%-%x+%-%x+%-%x+)</string>")
  if not id or id == "00000000-0000-0000-0000-000000000000" then
    refused = refused + 1
    return
  end
  stored = stored + 1
  if stored % EVERY == 0 then
    -- wrk ends its threads without closing files.
    sample:write(id, "\n")
    sample:flush()
  end
end

function done()
  local kept, lost = 0, 0
  for _, thread in ipairs(all) do
    kept, lost = kept + thread:get("stored"), lost + thread:get("refused")
  end
  print(string.format("stored %d, refused %d", kept, lost))
end
