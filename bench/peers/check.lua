set $call $1;
access_by_lua_block {
  local redis = require('nginx.redis'):new()
  redis:set_timeout(1000)
  local ok = redis:connect('127.0.0.1', REDIS_PORT)
  if not ok then return ngx.exit(503) end
  local state = redis:hget('call:' .. ngx.var.call, 'state')
  redis:set_keepalive(60000, 256)
  if state ~= 'recording' then return ngx.exit(403) end
}
