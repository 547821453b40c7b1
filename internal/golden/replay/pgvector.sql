-- A stand-in for pgvector's types, for servers without that extension: their texts, type modifiers, storage and casts, no operators and
-- no indexes. @extschema@ is the schema they are wanted in.
--
-- A value is kept as pgvector prints it, so that text's own functions write it. A SQL function reads it, which brings the input into that
-- form: PostgreSQL lets SQL functions have no cstring argument, so those are made with one of text and given cstring in the catalog.

CREATE TYPE @extschema@.vector;
CREATE FUNCTION @extschema@.vector_raw(cstring, oid, int) RETURNS @extschema@.vector LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION @extschema@.vector_out(@extschema@.vector) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE @extschema@.vector (INPUT = @extschema@.vector_raw, OUTPUT = @extschema@.vector_out, TYPMOD_IN = bittypmodin, TYPMOD_OUT = bittypmodout, STORAGE = external);

CREATE TYPE @extschema@.halfvec;
CREATE FUNCTION @extschema@.halfvec_raw(cstring, oid, int) RETURNS @extschema@.halfvec LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION @extschema@.halfvec_out(@extschema@.halfvec) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE @extschema@.halfvec (INPUT = @extschema@.halfvec_raw, OUTPUT = @extschema@.halfvec_out, TYPMOD_IN = bittypmodin, TYPMOD_OUT = bittypmodout, STORAGE = external);

CREATE TYPE @extschema@.sparsevec;
CREATE FUNCTION @extschema@.sparsevec_raw(cstring, oid, int) RETURNS @extschema@.sparsevec LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION @extschema@.sparsevec_out(@extschema@.sparsevec) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE @extschema@.sparsevec (INPUT = @extschema@.sparsevec_raw, OUTPUT = @extschema@.sparsevec_out, TYPMOD_IN = bittypmodin, TYPMOD_OUT = bittypmodout, STORAGE = external);

-- The same bytes as another type. rtrim takes off blanks, of which there are none.
CREATE FUNCTION @extschema@.vector_of(text) RETURNS @extschema@.vector LANGUAGE internal IMMUTABLE STRICT AS 'rtrim1';
CREATE FUNCTION @extschema@.halfvec_of(text) RETURNS @extschema@.halfvec LANGUAGE internal IMMUTABLE STRICT AS 'rtrim1';
CREATE FUNCTION @extschema@.sparsevec_of(text) RETURNS @extschema@.sparsevec LANGUAGE internal IMMUTABLE STRICT AS 'rtrim1';
CREATE FUNCTION @extschema@.text_of(@extschema@.vector) RETURNS text LANGUAGE internal IMMUTABLE STRICT AS 'rtrim1';
CREATE FUNCTION @extschema@.text_of(@extschema@.halfvec) RETURNS text LANGUAGE internal IMMUTABLE STRICT AS 'rtrim1';
CREATE FUNCTION @extschema@.text_of(@extschema@.sparsevec) RETURNS text LANGUAGE internal IMMUTABLE STRICT AS 'rtrim1';

-- Numbers of a text, and the text of numbers. A half has eleven bits, fewer below 2^-14.
CREATE FUNCTION @extschema@.vector_numbers(v text) RETURNS real[] LANGUAGE sql IMMUTABLE STRICT
RETURN translate(v, '[]', '{}')::real[];
CREATE FUNCTION @extschema@.vector_text(n real[]) RETURNS text LANGUAGE sql IMMUTABLE STRICT
RETURN '[' || array_to_string(n, ',') || ']';
CREATE FUNCTION @extschema@.half(x float8) RETURNS real LANGUAGE sql IMMUTABLE STRICT
RETURN CASE WHEN x = 0 THEN x ELSE (SELECT round(x / unit) * unit FROM (SELECT power(2::float8, greatest(floor(ln(abs(x)) / ln(2::float8)), -14) - 10)) u (unit)) END;
CREATE FUNCTION @extschema@.halfvec_text(n real[]) RETURNS text LANGUAGE sql IMMUTABLE STRICT
RETURN @extschema@.vector_text((SELECT array_agg(@extschema@.half(x) ORDER BY i) FROM unnest(n) WITH ORDINALITY u (x, i)));
CREATE FUNCTION @extschema@.sparsevec_text(v text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
RETURN (SELECT '{' || coalesce(string_agg(m[1]::int || ':' || m[2]::real, ',' ORDER BY m[1]::int) FILTER (WHERE m[2]::real <> 0), '') || '}/'
	FROM regexp_matches(v, '(\d+)\s*:\s*([^\s,}]+)', 'g') m) || substring(v FROM '/\s*(\d+)')::int;
CREATE FUNCTION @extschema@.sparsevec_text(n real[]) RETURNS text LANGUAGE sql IMMUTABLE STRICT
RETURN (SELECT '{' || coalesce(string_agg(i || ':' || x, ',' ORDER BY i) FILTER (WHERE x <> 0), '') || '}/' FROM unnest(n) WITH ORDINALITY u (x, i)) || cardinality(n);
CREATE FUNCTION @extschema@.sparsevec_numbers(v text) RETURNS real[] LANGUAGE sql IMMUTABLE STRICT
RETURN (SELECT array_agg(coalesce(substring(v FROM '[{,]' || i || ':([^,}]+)')::real, 0) ORDER BY i) FROM generate_series(1, substring(v FROM '/(\d+)')::int) i);

SET LOCAL check_function_bodies = off;
CREATE FUNCTION @extschema@.vector_in(text, oid, int) RETURNS @extschema@.vector LANGUAGE sql IMMUTABLE STRICT
AS 'SELECT @extschema@.vector_of(@extschema@.vector_text(@extschema@.vector_numbers(textin($1))))';
CREATE FUNCTION @extschema@.halfvec_in(text, oid, int) RETURNS @extschema@.halfvec LANGUAGE sql IMMUTABLE STRICT
AS 'SELECT @extschema@.halfvec_of(@extschema@.halfvec_text(@extschema@.vector_numbers(textin($1))))';
CREATE FUNCTION @extschema@.sparsevec_in(text, oid, int) RETURNS @extschema@.sparsevec LANGUAGE sql IMMUTABLE STRICT
AS 'SELECT @extschema@.sparsevec_of(@extschema@.sparsevec_text(textin($1)))';
UPDATE pg_proc SET proargtypes = array_to_string(ARRAY['cstring'::regtype::oid, 'oid'::regtype::oid, 'int'::regtype::oid], ' ')::oidvector
WHERE oid IN ('@extschema@.vector_in'::regproc, '@extschema@.halfvec_in'::regproc, '@extschema@.sparsevec_in'::regproc);
UPDATE pg_type SET typinput = replace(typinput::text, '_raw', '_in')::regproc
WHERE oid IN ('@extschema@.vector'::regtype, '@extschema@.halfvec'::regtype, '@extschema@.sparsevec'::regtype);

-- Casts: pgvector's, from and to arrays and among the three.
CREATE FUNCTION @extschema@.to_vector(real[]) RETURNS @extschema@.vector LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.vector_of(@extschema@.vector_text($1));
CREATE FUNCTION @extschema@.to_vector(int[]) RETURNS @extschema@.vector LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.to_vector($1::real[]);
CREATE FUNCTION @extschema@.to_vector(float8[]) RETURNS @extschema@.vector LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.to_vector($1::real[]);
CREATE FUNCTION @extschema@.to_vector(numeric[]) RETURNS @extschema@.vector LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.to_vector($1::real[]);
CREATE CAST (int[] AS @extschema@.vector) WITH FUNCTION @extschema@.to_vector(int[]) AS ASSIGNMENT;
CREATE CAST (real[] AS @extschema@.vector) WITH FUNCTION @extschema@.to_vector(real[]) AS ASSIGNMENT;
CREATE CAST (float8[] AS @extschema@.vector) WITH FUNCTION @extschema@.to_vector(float8[]) AS ASSIGNMENT;
CREATE CAST (numeric[] AS @extschema@.vector) WITH FUNCTION @extschema@.to_vector(numeric[]) AS ASSIGNMENT;

CREATE FUNCTION @extschema@.to_halfvec(real[]) RETURNS @extschema@.halfvec LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.halfvec_of(@extschema@.halfvec_text($1));
CREATE FUNCTION @extschema@.to_halfvec(int[]) RETURNS @extschema@.halfvec LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.to_halfvec($1::real[]);
CREATE FUNCTION @extschema@.to_halfvec(float8[]) RETURNS @extschema@.halfvec LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.to_halfvec($1::real[]);
CREATE FUNCTION @extschema@.to_halfvec(numeric[]) RETURNS @extschema@.halfvec LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.to_halfvec($1::real[]);
CREATE CAST (int[] AS @extschema@.halfvec) WITH FUNCTION @extschema@.to_halfvec(int[]) AS ASSIGNMENT;
CREATE CAST (real[] AS @extschema@.halfvec) WITH FUNCTION @extschema@.to_halfvec(real[]) AS ASSIGNMENT;
CREATE CAST (float8[] AS @extschema@.halfvec) WITH FUNCTION @extschema@.to_halfvec(float8[]) AS ASSIGNMENT;
CREATE CAST (numeric[] AS @extschema@.halfvec) WITH FUNCTION @extschema@.to_halfvec(numeric[]) AS ASSIGNMENT;

CREATE FUNCTION @extschema@.to_sparsevec(real[]) RETURNS @extschema@.sparsevec LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.sparsevec_of(@extschema@.sparsevec_text($1));
CREATE FUNCTION @extschema@.to_sparsevec(int[]) RETURNS @extschema@.sparsevec LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.to_sparsevec($1::real[]);
CREATE FUNCTION @extschema@.to_sparsevec(float8[]) RETURNS @extschema@.sparsevec LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.to_sparsevec($1::real[]);
CREATE FUNCTION @extschema@.to_sparsevec(numeric[]) RETURNS @extschema@.sparsevec LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.to_sparsevec($1::real[]);
CREATE CAST (int[] AS @extschema@.sparsevec) WITH FUNCTION @extschema@.to_sparsevec(int[]) AS ASSIGNMENT;
CREATE CAST (real[] AS @extschema@.sparsevec) WITH FUNCTION @extschema@.to_sparsevec(real[]) AS ASSIGNMENT;
CREATE CAST (float8[] AS @extschema@.sparsevec) WITH FUNCTION @extschema@.to_sparsevec(float8[]) AS ASSIGNMENT;
CREATE CAST (numeric[] AS @extschema@.sparsevec) WITH FUNCTION @extschema@.to_sparsevec(numeric[]) AS ASSIGNMENT;

CREATE FUNCTION @extschema@.to_reals(@extschema@.vector) RETURNS real[] LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.vector_numbers(@extschema@.text_of($1));
CREATE FUNCTION @extschema@.to_reals(@extschema@.halfvec) RETURNS real[] LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.vector_numbers(@extschema@.text_of($1));
CREATE CAST (@extschema@.vector AS real[]) WITH FUNCTION @extschema@.to_reals(@extschema@.vector) AS IMPLICIT;
CREATE CAST (@extschema@.halfvec AS real[]) WITH FUNCTION @extschema@.to_reals(@extschema@.halfvec) AS ASSIGNMENT;
CREATE FUNCTION @extschema@.to_reals(@extschema@.sparsevec) RETURNS real[] LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.sparsevec_numbers(@extschema@.text_of($1));

CREATE FUNCTION @extschema@.to_halfvec(@extschema@.vector) RETURNS @extschema@.halfvec LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.to_halfvec(@extschema@.to_reals($1));
CREATE FUNCTION @extschema@.to_halfvec(@extschema@.sparsevec) RETURNS @extschema@.halfvec LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.to_halfvec(@extschema@.to_reals($1));
CREATE FUNCTION @extschema@.to_sparsevec(@extschema@.vector) RETURNS @extschema@.sparsevec LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.to_sparsevec(@extschema@.to_reals($1));
CREATE FUNCTION @extschema@.to_sparsevec(@extschema@.halfvec) RETURNS @extschema@.sparsevec LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.to_sparsevec(@extschema@.to_reals($1));
CREATE FUNCTION @extschema@.to_vector(@extschema@.halfvec) RETURNS @extschema@.vector LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.to_vector(@extschema@.to_reals($1));
CREATE FUNCTION @extschema@.to_vector(@extschema@.sparsevec) RETURNS @extschema@.vector LANGUAGE sql IMMUTABLE STRICT RETURN @extschema@.to_vector(@extschema@.to_reals($1));
CREATE CAST (@extschema@.vector AS @extschema@.halfvec) WITH FUNCTION @extschema@.to_halfvec(@extschema@.vector) AS IMPLICIT;
CREATE CAST (@extschema@.vector AS @extschema@.sparsevec) WITH FUNCTION @extschema@.to_sparsevec(@extschema@.vector) AS IMPLICIT;
CREATE CAST (@extschema@.halfvec AS @extschema@.vector) WITH FUNCTION @extschema@.to_vector(@extschema@.halfvec) AS ASSIGNMENT;
CREATE CAST (@extschema@.halfvec AS @extschema@.sparsevec) WITH FUNCTION @extschema@.to_sparsevec(@extschema@.halfvec) AS ASSIGNMENT;
CREATE CAST (@extschema@.sparsevec AS @extschema@.vector) WITH FUNCTION @extschema@.to_vector(@extschema@.sparsevec) AS ASSIGNMENT;
CREATE CAST (@extschema@.sparsevec AS @extschema@.halfvec) WITH FUNCTION @extschema@.to_halfvec(@extschema@.sparsevec) AS ASSIGNMENT;

-- How many dimensions, and that there are as many as the type modifier says.
CREATE FUNCTION @extschema@.vector_dims(@extschema@.vector) RETURNS int LANGUAGE sql IMMUTABLE STRICT RETURN cardinality(@extschema@.to_reals($1));
CREATE FUNCTION @extschema@.vector_dims(@extschema@.halfvec) RETURNS int LANGUAGE sql IMMUTABLE STRICT RETURN cardinality(@extschema@.to_reals($1));
CREATE FUNCTION @extschema@.vector_dims(@extschema@.sparsevec) RETURNS int LANGUAGE sql IMMUTABLE STRICT RETURN substring(@extschema@.text_of($1) FROM '/(\d+)')::int;
CREATE FUNCTION @extschema@.check_dims(have int, want int) RETURNS bool LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
	IF want <> -1 AND have <> want THEN
		RAISE 'expected % dimensions, not %', want, have USING ERRCODE = 'data_exception';
	END IF;
	RETURN true;
END $$;
CREATE FUNCTION @extschema@.vector(@extschema@.vector, int, bool) RETURNS @extschema@.vector LANGUAGE sql IMMUTABLE STRICT
RETURN CASE WHEN @extschema@.check_dims(@extschema@.vector_dims($1), $2) THEN $1 END;
CREATE FUNCTION @extschema@.halfvec(@extschema@.halfvec, int, bool) RETURNS @extschema@.halfvec LANGUAGE sql IMMUTABLE STRICT
RETURN CASE WHEN @extschema@.check_dims(@extschema@.vector_dims($1), $2) THEN $1 END;
CREATE FUNCTION @extschema@.sparsevec(@extschema@.sparsevec, int, bool) RETURNS @extschema@.sparsevec LANGUAGE sql IMMUTABLE STRICT
RETURN CASE WHEN @extschema@.check_dims(@extschema@.vector_dims($1), $2) THEN $1 END;
CREATE CAST (@extschema@.vector AS @extschema@.vector) WITH FUNCTION @extschema@.vector(@extschema@.vector, int, bool) AS IMPLICIT;
CREATE CAST (@extschema@.halfvec AS @extschema@.halfvec) WITH FUNCTION @extschema@.halfvec(@extschema@.halfvec, int, bool) AS IMPLICIT;
CREATE CAST (@extschema@.sparsevec AS @extschema@.sparsevec) WITH FUNCTION @extschema@.sparsevec(@extschema@.sparsevec, int, bool) AS IMPLICIT;
