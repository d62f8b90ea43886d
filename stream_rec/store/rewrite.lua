-- Set a partition's marker after its slates were written again, if Redis lost nothing meanwhile.
--
-- KEYS[1]  marker:<partition>
-- ARGV[1]  the marker set when the rewrite began
-- ARGV[2]  run_id of the server that holds the marker then; empty = our user may not run INFO
-- ARGV[3]  the marker to set
-- answers  1 = set; 0 = another server, or the marker is not ours any more: the rewrite must begin anew

local run_id = ''
local info = redis.pcall('INFO', 'server')
if type(info) == 'string' then run_id = string.match(info, 'run_id:(%w+)') or '' end
-- An error of GET (a value of another type) is a table, and so not our marker.
if run_id ~= ARGV[2] or redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[3])
return 1
