-- wrk script: POST of the same form again and again. Argument: the form.

function init(arguments)
  wrk.method = "POST"
  wrk.body = arguments[1]
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
  bytes = wrk.format()
end

function request()
  return bytes
end
