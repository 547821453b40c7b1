-- Five more ratings, a second thought, and one that is withdrawn.
INSERT INTO ratings (user_id, stars, channel, message) VALUES
    (1, 1, 'web', 'It broke on the second day.'),
    (2, 5, 'ios', 'The new box is fine.'),
    (3, 5, 'web', 'Again, please.'),
    (3, 2, 'android', 'Twice is enough.'),
    (5, 4, 'web', 'Good.');
UPDATE ratings SET stars = 4, message = 'It came after all.' WHERE id = 4;
DELETE FROM ratings WHERE id = 5;
