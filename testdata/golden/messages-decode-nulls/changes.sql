SELECT pg_logical_emit_message(true, 'pre', '{"a": 1, "n": null, "e": [], "s": {"t": {"u": "v"}}}');
SELECT pg_logical_emit_message(true, 'pre', '{"l": [{"x":1},{"x":2}], "f": 1e5, "big": 5000000000, "ü": "ß😀"}');
SELECT pg_logical_emit_message(true, 'pre', '{}');
SELECT pg_logical_emit_message(true, 'pre', '{"a": 2, "n": null, "e": [], "s": {"t": {"u": "w"}}}');
