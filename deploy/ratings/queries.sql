-- Continuous queries in Apache Flink SQL over the topics, and topics of what they find.

CREATE TABLE ratings (
    id INT, user_id INT, stars INT, channel STRING, message STRING, rated_at STRING,
    PRIMARY KEY (id) NOT ENFORCED
) WITH (
    'connector' = 'kafka',
    'topic' = 'shop.public.ratings',
    'properties.bootstrap.servers' = 'localhost:9092',
    'scan.startup.mode' = 'earliest-offset',
    'value.format' = 'debezium-avro-confluent',
    'value.debezium-avro-confluent.url' = 'http://localhost:8081'
);

CREATE TABLE users (
    id INT, name STRING, country_id INT,
    PRIMARY KEY (id) NOT ENFORCED
) WITH (
    'connector' = 'kafka',
    'topic' = 'people.public.users',
    'properties.bootstrap.servers' = 'localhost:9092',
    'scan.startup.mode' = 'earliest-offset',
    'value.format' = 'debezium-json',
    'value.debezium-json.schema-include' = 'true'
);

-- Read as a whole again and again: the last row of a key counts.
CREATE TABLE countries (
    country_key STRING, id INT, code STRING, name STRING,
    PRIMARY KEY (country_key) NOT ENFORCED
) WITH (
    'connector' = 'upsert-kafka',
    'topic' = 'shop.countries',
    'properties.bootstrap.servers' = 'localhost:9092',
    'key.format' = 'raw',
    'value.format' = 'avro-confluent',
    'value.avro-confluent.url' = 'http://localhost:8081',
    'value.fields-include' = 'EXCEPT_KEY'
);

CREATE TABLE ratings_by_country (
    country STRING, ratings BIGINT, average_stars DOUBLE,
    PRIMARY KEY (country) NOT ENFORCED
) WITH (
    'connector' = 'upsert-kafka',
    'topic' = 'ratings_by_country',
    'properties.bootstrap.servers' = 'localhost:9092',
    'key.format' = 'raw',
    'value.format' = 'json'
);

CREATE TABLE low_ratings (
    id INT, stars INT, user_name STRING, message STRING,
    PRIMARY KEY (id) NOT ENFORCED
) WITH (
    'connector' = 'upsert-kafka',
    'topic' = 'low_ratings',
    'properties.bootstrap.servers' = 'localhost:9092',
    'key.format' = 'json',
    'value.format' = 'json'
);

EXECUTE STATEMENT SET BEGIN
    INSERT INTO ratings_by_country
        SELECT c.name, COUNT(*), AVG(CAST(r.stars AS DOUBLE))
        FROM ratings r JOIN users u ON u.id = r.user_id JOIN countries c ON c.id = u.country_id
        GROUP BY c.name;
    INSERT INTO low_ratings
        SELECT r.id, r.stars, u.name, r.message
        FROM ratings r JOIN users u ON u.id = r.user_id
        WHERE r.stars <= 2;
END;
