-- Move a partition's marker on, if it proves that Redis still holds what was written before.
--
-- KEYS[1]  marker:<partition>
-- ARGV[1]  log
-- ARGV[2]  offset up to which the slates should be here already
-- ARGV[3]  offset up to which they are here now
-- answers  1 = held and moved on (never back), 0 = missing, behind, of another log, or being rewritten: untouched

local held = redis.pcall('GET', KEYS[1])
if type(held) == 'table' then
  -- Another type is not our marker; any other error (rights, say) must not pass for a missing one.
  if not string.find(held.err, 'WRONGTYPE', 1, true) then return held end
  held = ''
end
if not held then return 0 end
local log, offset = string.match(held, '^{"log":"([^"]*)","offset":(-?%d+)}$')
if log ~= ARGV[1] or not offset or tonumber(offset) < tonumber(ARGV[2]) then return 0 end
if tonumber(ARGV[3]) > tonumber(offset) then
  redis.call('SET', KEYS[1], '{"log":"' .. log .. '","offset":' .. ARGV[3] .. '}')
end
return 1
