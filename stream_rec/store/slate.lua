-- Write slates or lists, each unless the one that is there is newer.
--
-- KEYS     rec:<scenario>:<user_id>, popular, trending, new, similar:<item_id>
-- ARGV[1]  seconds to live
-- ARGV[i]  from 2 on, for KEYS[i - 1]: JSON that begins with {"as_of":{"log":"L","partition":P,"offset":O,"broker_ts":T,
-- answers  for each key 1 = written, 0 = the one that is there is newer and stays; the first error ends it
--
-- Newer: in the same log and partition a higher offset, or the same one under later rules; otherwise a higher broker_ts. Equal is written again, so that a
-- repeated write is harmless and renews the time to live. Only the head is read, so the cost does not grow with the
-- slate. What has no such head is not ours and is overwritten; so is what is beyond 2^53, up to where offsets and
-- milliseconds are exact in Lua's numbers: else nothing would ever be newer.
-- A batch's slate (log "batch", partition -1) has a broker_ts below any of the stream's, and when it was trained as its
-- offset: so it never takes the place of a live one, and always that of an earlier batch's.

local HEAD = '^{"as_of":{"log":"([^"]*)","partition":(-?%d+),"offset":(-?%d+),"broker_ts":(-?%d+),'
local RULES = '^{"as_of":{[^}]*"rules":(-?%d+)'
local LARGEST = 2 ^ 53

local function is_older(json, held)
  local log, partition, offset, ts = string.match(held, HEAD)
  if not log or tonumber(offset) > LARGEST or tonumber(ts) > LARGEST then return false end
  local new_log, new_partition, new_offset, new_ts = string.match(json, HEAD)
  if new_log == log and new_partition == partition then
    if new_offset ~= offset then return tonumber(new_offset) < tonumber(offset) end
    return tonumber(string.match(json, RULES) or -1) < tonumber(string.match(held, RULES) or -1)
  end
  return tonumber(new_ts) < tonumber(ts)
end

local answers = {}
for i, key in ipairs(KEYS) do
  local held = redis.pcall('GETRANGE', key, 0, 255)
  if type(held) == 'table' then
    -- Another type is not ours either; any other error (rights, say) must not pass for an absent slate.
    if not string.find(held.err, 'WRONGTYPE', 1, true) then return held end
    held = ''
  end
  if is_older(ARGV[i + 1], held) then
    answers[i] = 0
  else
    redis.call('SET', key, ARGV[i + 1], 'EX', ARGV[1])
    answers[i] = 1
  end
end
return answers
