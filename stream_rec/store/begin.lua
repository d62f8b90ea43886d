-- Mark a partition as being written again.
--
-- KEYS[1]  marker:<partition>
-- ARGV[1]  the marker that stands for the rewrite
-- answers  run_id of the server that holds the marker; empty = our user may not run INFO

redis.call('SET', KEYS[1], ARGV[1])
local info = redis.pcall('INFO', 'server')
return type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
