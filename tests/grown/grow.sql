-- Grows a PostgreSQL database that `work` has filled with some webhooks: what came in is copied back in time,
-- again and again, each copy as long before the next as the whole took. So the rows are those that WAHA's
-- webhooks make, bodies included, and whatever comes next goes on with the same chats.
--
--   psql --set copies=250 --file tests/grown/grow.sql URL
--
-- Only for databases that are thrown away: it needs a superuser, because foreign keys are not looked at.
\set ON_ERROR_STOP on
SET session_replication_role = replica;
SET synchronous_commit = off;
SELECT set_config('grow.copies', :'copies', false);

DO $grow$
DECLARE
    copies bigint := current_setting('grow.copies');
    -- Tables that grow with each message; all others are those of people, chats and sessions.
    growing text[] := ARRAY['webhook_events', 'webhook_duplicates', 'waha_messages', 'waha_own_messages',
        'waha_message_acks', 'waha_message_edits', 'waha_message_revocations', 'waha_message_claims',
        'waha_message_referrals', 'waha_reactions', 'waha_poll_votes', 'waha_event_responses', 'waha_calls'];
    -- How far the ids of one copy are from those of the next.
    stride bigint := 0;
    -- How many changes the feed has, and how long it took to fill it, of which times are moved.
    changes bigint;
    span interval;
    span_ms bigint;
    grown text;
    columns text;
    moved text;
    highest bigint;
BEGIN
    FOREACH grown IN ARRAY growing LOOP
        EXECUTE format('SELECT coalesce(max(id), 0) FROM %I', grown) INTO highest;
        stride := greatest(stride, highest);
    END LOOP;
    SELECT position INTO changes FROM waha_feed;
    SELECT max(webhook_at) - min(webhook_at) INTO span FROM webhook_events;
    span_ms := (extract(epoch FROM span) * 1000)::bigint;

    -- Ids grow with time: what there is gets the highest.
    FOREACH grown IN ARRAY growing LOOP
        EXECUTE format('UPDATE %I SET id = id + %s', grown, copies * stride);
    END LOOP;
    EXECUTE format('UPDATE webhook_duplicates SET webhook_event_id = webhook_event_id + %s', copies * stride);
    EXECUTE format('UPDATE waha_messages SET merged_into = merged_into + %s WHERE merged_into IS NOT NULL',
                   copies * stride);
    UPDATE waha_changes SET position = position + copies * changes,
           row_id = CASE WHEN kind ~ '^(chat|contact|session|read|participant|join_request|label)'
                         THEN row_id ELSE row_id + copies * stride END;
    UPDATE waha_feed SET position = position + copies * changes;

    FOREACH grown IN ARRAY growing || ARRAY['waha_changes'] LOOP
        SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position),
               string_agg(CASE
                   WHEN column_name IN ('id', 'webhook_event_id', 'merged_into')
                       THEN format('%I - k * %s', column_name, stride)
                   WHEN column_name = 'row_id'
                       THEN format('row_id - CASE WHEN row_id > %s THEN k * %s ELSE 0 END', copies * stride, stride)
                   WHEN column_name = 'position' THEN format('position - k * %s', changes)
                   WHEN column_name = 'receipt' THEN 'receipt # (k << 20)'
                   WHEN column_name IN ('message_id', 'webhook_id', 'call_id', 'edit_id')
                       THEN format('%I || %L || k', column_name, '.')
                   WHEN data_type = 'timestamp with time zone'
                       THEN format('%I - k * %L::interval', column_name, span)
                   WHEN data_type = 'bigint' AND column_name LIKE '%version'
                       THEN format('CASE WHEN %1$I > 0 THEN %1$I - k * (%2$s::bigint << 20) ELSE %1$I END',
                                   column_name, span_ms)
                   ELSE quote_ident(column_name)
               END, ', ' ORDER BY ordinal_position)
          INTO columns, moved
          FROM information_schema.columns
         WHERE table_schema = current_schema() AND table_name = grown;
        -- The oldest first.
        FOR k IN REVERSE copies .. 1 LOOP
            EXECUTE format('INSERT INTO %1$I (%2$s) OVERRIDING SYSTEM VALUE SELECT %3$s FROM %1$I, '
                           '(SELECT %4$s::bigint AS k) AS copy WHERE %5$I > %6$s ORDER BY %5$I',
                           grown, columns, moved, k,
                           CASE grown WHEN 'waha_changes' THEN 'position' ELSE 'id' END,
                           CASE grown WHEN 'waha_changes' THEN copies * changes ELSE copies * stride END);
        END LOOP;
        IF grown <> 'waha_changes' THEN
            PERFORM setval(pg_get_serial_sequence(grown, 'id'), (copies + 1) * stride);
        END IF;
    END LOOP;
END
$grow$;

SET session_replication_role = origin;
VACUUM (ANALYZE);
CHECKPOINT;
