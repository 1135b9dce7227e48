-- wrk script: ADDITEM of an item under a fresh random id. Arguments: a file with users and their root folders, a line each; a file
-- prefix for the numbers of items that were answered as stored; and a number that no other run has.

local FIELDS = "&AssetID=11111111-2222-3333-4444-555555555555&AssetType=7&Name=added&InvType=7&CreatorData&Description=of+the+benchmark"
  .. "&NextPermissions=581632&CurrentPermissions=647168&BasePermissions=647168&EveryOnePermissions=0&GroupPermissions=0"
  .. "&GroupID=00000000-0000-0000-0000-000000000000&GroupOwned=False&SalePrice=0&SaleType=0&Flags=0&CreationDate=1700000000&METHOD=ADDITEM"
local all = {}

function setup(thread)
  all[#all + 1] = thread
  thread:set("number", #all)
end

function init(arguments)
  math.randomseed(os.time() * 4096 + tonumber(arguments[3]) * 64 + number)
  places = {}
  for line in io.lines(arguments[1]) do
    local user, folder = line:match("^(%S+) (%S+)$")
    places[#places + 1] = "&Owner=" .. user .. "&CreatorId=" .. user .. "&Folder=" .. folder .. FIELDS
  end
  counted = arguments[2]
  stored, refused = 0, 0
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
end

function request()
  local id = string.format("%08x-%04x-4%03x-8%03x-%06x%06x", math.random(0, 0xffffffff), math.random(0, 0xffff), math.random(0, 0xfff),
    math.random(0, 0xfff), math.random(0, 0xffffff), math.random(0, 0xffffff))
  return wrk.format(nil, "/xinventory", nil, "ID=" .. id .. places[math.random(#places)])
end

function response(status, headers, body)
  if status == 200 and body:find("<RESULT>True</RESULT>", 1, true) then
    stored = stored + 1
  else
    refused = refused + 1
  end
end

function done()
  local kept, lost = 0, 0
  for _, thread in ipairs(all) do
    kept, lost = kept + thread:get("stored"), lost + thread:get("refused")
  end
  local file = io.open(all[1]:get("counted"), "w")
  file:write(kept, "\n")
  file:close()
  print(string.format("stored %d, refused %d", kept, lost))
end
