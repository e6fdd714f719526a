import { quoteIdentifier, quoteLiteral, type SchemaNames } from './schema-names.js';

/**
 * SQL for a migration, after everything else about these tables: the service can read them and add to them from now on, and nothing else.
 * Rights alone would not do: an owner gives them back to itself, and drops a trigger. `functions` (with their argument types) are those
 * that the tables rely on, and those by which the service asks the keeper for something.
 */
export function handToKeeper(schema: string, { tables, functions }: { tables: readonly string[]; functions: readonly string[] }): string {
  const inSchema = (name: string) => quoteLiteral(`${quoteIdentifier(schema)}.${name}`);
  const array = (names: readonly string[], type: string) => `ARRAY[${names.map(inSchema).join(', ')}]::${type}[]`;
  return `SELECT ${quoteIdentifier(schema)}.hand_to_keeper(${array(tables, 'regclass')}, ${array(functions, 'regprocedure')})`;
}

/** Owned by whoever provisions, because only a member of both roles may change an owner. It takes nothing but what the service has. */
export function handOverFunction({ schema, role, systemRole, keeperRole }: SchemaNames): string {
  const [ofSchema, service, system, keeper] = [schema, role, systemRole, keeperRole].map(quoteIdentifier);
  return `
    CREATE OR REPLACE FUNCTION ${ofSchema}.hand_to_keeper(tables regclass[], functions regprocedure[]) RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $keeper$
    DECLARE
      given_table regclass;
      given_function regprocedure;
    BEGIN
      IF EXISTS (SELECT FROM pg_class WHERE oid = ANY (tables)
            AND (relkind <> 'r' OR relnamespace <> ${quoteLiteral(schema)}::regnamespace OR relowner <> ${quoteLiteral(role)}::regrole))
        OR EXISTS (SELECT FROM pg_proc WHERE oid = ANY (functions)
            AND (pronamespace <> ${quoteLiteral(schema)}::regnamespace OR proowner <> ${quoteLiteral(role)}::regrole))
      THEN
        RAISE EXCEPTION 'only what belongs to % can be given to its keeper', ${quoteLiteral(role)} USING ERRCODE = 'insufficient_privilege';
      END IF;
      GRANT USAGE, CREATE ON SCHEMA ${ofSchema} TO ${keeper};
      FOREACH given_table IN ARRAY tables LOOP
        EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, ${service}, ${system}', given_table);
        EXECUTE format('ALTER TABLE %s OWNER TO ${keeper}', given_table);
        EXECUTE format('GRANT ALL ON %s TO ${keeper}', given_table);
        EXECUTE format('GRANT SELECT, INSERT ON %s TO ${service}, ${system}', given_table);
      END LOOP;
      FOREACH given_function IN ARRAY functions LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO ${keeper}', given_function);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO ${service}, ${system}', given_function);
      END LOOP;
      -- The owner of a schema may drop whatever is in it.
      ALTER SCHEMA ${ofSchema} OWNER TO ${keeper};
      GRANT USAGE, CREATE ON SCHEMA ${ofSchema} TO ${service};
      GRANT USAGE ON SCHEMA ${ofSchema} TO ${system};
    END $keeper$;
  `;
}
