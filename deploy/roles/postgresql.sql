-- The roles of waha-ingest on PostgreSQL, and what each may: what is not granted here, it may not.
-- Run by an administrator in the database `waha`; any number of times, and again after an upgrade of a
-- database whose tables somebody else owns. Then give both a password: ALTER ROLE … PASSWORD '…'.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'waha_migrate') THEN
        CREATE ROLE waha_migrate LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'waha_work') THEN
        CREATE ROLE waha_work LOGIN;
    END IF;
END
$$;

REVOKE ALL ON DATABASE waha FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

-- `migrate` makes tables and owns them.
GRANT CONNECT ON DATABASE waha TO waha_migrate;
GRANT USAGE, CREATE ON SCHEMA public TO waha_migrate;

-- `work` reads and writes rows, also of tables that later releases will add.
GRANT CONNECT ON DATABASE waha TO waha_work;
GRANT USAGE ON SCHEMA public TO waha_work;
ALTER DEFAULT PRIVILEGES FOR ROLE waha_migrate IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO waha_work;

-- Tables that another role has made for waha-ingest, which their mark tells, change hands.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
            AND obj_description(c.oid, 'pg_class') LIKE 'waha-ingest%'
            AND pg_get_userbyid(c.relowner) <> 'waha_migrate'
    LOOP
        EXECUTE format('ALTER TABLE public.%I OWNER TO waha_migrate', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON public.%I TO waha_work', name);
    END LOOP;
END
$$;
