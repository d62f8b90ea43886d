-- Write a slate or a list, unless the one that is there is newer.
--
-- KEYS[1]  rec:<scenario>:<user_id>, popular, trending, new, similar:<item_id>
-- ARGV[1]  JSON that begins with {"as_of":{"log":"L","partition":P,"offset":O,"broker_ts":T,
-- ARGV[2]  seconds to live
-- answers  1 = written, 0 = the one that is there is newer and stays
--
-- Newer: in the same log and partition a higher offset; otherwise a higher broker_ts. Equal is written again, so that a
-- repeated write is harmless and renews the time to live. Only the head is read, so the cost does not grow with the
-- slate. What has no such head is not ours and is overwritten.
-- Offsets and milliseconds are exact in Lua's numbers up to 2^53.

local HEAD = '^{"as_of":{"log":"([^"]*)","partition":(-?%d+),"offset":(-?%d+),"broker_ts":(-?%d+),'

local held = redis.pcall('GETRANGE', KEYS[1], 0, 255)
if type(held) == 'table' then
  -- Another type is not ours either; any other error (rights, say) must not pass for an absent slate.
  if not string.find(held.err, 'WRONGTYPE', 1, true) then return held end
else
  local log, partition, offset, ts = string.match(held, HEAD)
  if log then
    local new_log, new_partition, new_offset, new_ts = string.match(ARGV[1], HEAD)
    if new_log == log and new_partition == partition then
      if tonumber(new_offset) < tonumber(offset) then return 0 end
    elseif tonumber(new_ts) < tonumber(ts) then
      return 0
    end
  end
end

redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
