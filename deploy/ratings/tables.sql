-- Who rates what, and where they live. Ratings are captured as they come; countries hardly change and are read as a whole.
CREATE TABLE countries (
    id   int PRIMARY KEY,
    code char(2) NOT NULL,
    name text NOT NULL
);

CREATE TABLE users (
    id         int PRIMARY KEY,
    name       text NOT NULL,
    country_id int NOT NULL REFERENCES countries
);

CREATE TABLE ratings (
    id       serial PRIMARY KEY,
    user_id  int NOT NULL REFERENCES users,
    stars    int NOT NULL CHECK (stars BETWEEN 1 AND 5),
    channel  text NOT NULL,
    message  text,
    rated_at timestamptz NOT NULL DEFAULT now()
);
-- The old values of what is changed or deleted go with it: a count by country must take a rating back as it was.
ALTER TABLE ratings REPLICA IDENTITY FULL;
ALTER TABLE users REPLICA IDENTITY FULL;

INSERT INTO countries VALUES (1, 'DE', 'Germany'), (2, 'FR', 'France'), (3, 'JP', 'Japan'), (4, 'BR', 'Brazil');
INSERT INTO users VALUES (1, 'Anna', 1), (2, 'Bruno', 2), (3, 'Chiyo', 3), (4, 'Davi', 4), (5, 'Emil', 1);
INSERT INTO ratings (user_id, stars, channel, message) VALUES
    (1, 5, 'web', 'Right on time.'),
    (2, 2, 'ios', 'The box was torn.'),
    (3, 4, 'android', 'Kind staff.'),
    (4, 1, 'web', 'It never came.'),
    (5, 3, 'ios', 'As expected.');
