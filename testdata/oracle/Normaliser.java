import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.source.SourceRecord;

import java.nio.file.Path;
import java.util.*;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Replaces what differs from run to run, in records and in source offsets, by placeholders: README.md, "Normalisation". */
class Normaliser extends Case {
    Normaliser(Path dir, boolean raw) {
        super(dir, raw);
    }

    static final long TX = 100, SNAP_LSN = 1000, EVENT_LSN = 2000, COMMIT_LSN = 3000;
    static final long SNAP_US = 1500000000_123456L, TX_US = 1600000000_123456L, FIXED_US = 1700000000_123456L;
    static final Pattern UUID_RE = Pattern.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");

    final Map<Long, Long> txIds = new LinkedHashMap<>();
    final Map<Long, Long> snapTs = new LinkedHashMap<>();
    final Map<Long, Long> txTs = new HashMap<>();
    final Map<String, String> uuids = new LinkedHashMap<>();
    final Map<String, String> runs = new LinkedHashMap<>();
    final TreeSet<Long> snapLsns = new TreeSet<>(Long::compareUnsigned);
    final TreeSet<Long> eventLsns = new TreeSet<>(Long::compareUnsigned);
    final TreeSet<Long> commitLsns = new TreeSet<>(Long::compareUnsigned);

    static Object get(Struct s, String f) {
        return s.schema().field(f) == null ? null : s.getWithoutDefault(f);
    }

    static boolean isSnapshot(Struct source) {
        Object s = get(source, "snapshot");
        return s != null && !s.equals("false") && !s.equals("incremental");
    }

    static Struct source(SourceRecord r) {
        return r.value() instanceof Struct v && v.schema().field("source") != null ? (Struct) v.get("source") : null;
    }

    static boolean named(SourceRecord r, String suffix) {
        return r.valueSchema() != null && r.valueSchema().name() != null && r.valueSchema().name().endsWith(suffix);
    }

    List<String> sequence(Struct source) throws Exception {
        Object q = get(source, "sequence");
        if (q == null) {
            return null;
        }
        List<String> l = new ArrayList<>();
        for (var n : JSON.readTree((String) q)) {
            l.add(n.isNull() ? null : n.asText());
        }
        return l;
    }

    /** First pass: collect every LSN. */
    void collectLsns(SourceRecord r) throws Exception {
        Struct s = source(r);
        if (s != null) {
            Set<Long> kind = isSnapshot(s) ? snapLsns : eventLsns;
            if (get(s, "lsn") != null && (Long) get(s, "lsn") != 0) {
                kind.add((Long) get(s, "lsn"));
            }
            List<String> q = sequence(s);
            if (q != null && q.size() == 2) {
                if (q.get(0) != null) {
                    commitLsns.add(Long.parseLong(q.get(0)));
                }
                if (q.get(1) != null) {
                    kind.add(Long.parseLong(q.get(1)));
                }
            }
            if (r.value() instanceof Struct v && get(v, "transaction") instanceof Struct t) {
                txPart(t.getString("id"), kind, false);
            }
        }
        else if (named(r, "TransactionMetadataValue")) {
            Struct v = (Struct) r.value();
            txPart(v.getString("id"), v.getString("status").equals("END") ? commitLsns : eventLsns, false);
        }
    }

    String txPart(String id, Set<Long> kind, boolean map) {
        int i = id.indexOf(':');
        if (i < 0) {
            return map ? String.valueOf(tx(Long.parseLong(id))) : id;
        }
        long lsn = Long.parseLong(id.substring(i + 1));
        if (!map) {
            if (lsn != 0) {
                kind.add(lsn);
            }
            return id;
        }
        String head = id.substring(0, i);
        String x = head.equals("null") ? head : String.valueOf(tx(Long.parseLong(head)));
        return x + ":" + rank(lsn, kind);
    }

    long rank(long lsn, Set<Long> kind) {
        if (lsn == 0) {
            return 0;
        }
        long base = kind == snapLsns ? SNAP_LSN : kind == eventLsns ? EVENT_LSN : COMMIT_LSN;
        return base + ((TreeSet<Long>) kind).headSet(lsn, true).size();
    }

    long tx(long id) {
        return txIds.computeIfAbsent(id, k -> TX + txIds.size() + 1);
    }

    /** Replaces ts_ms, ts_us, ts_ns where they belong to one instant; -1 where they do not. */
    void stamp(Struct s, long us, boolean nanos) {
        Object ms = get(s, "ts_ms"), u = get(s, "ts_us"), n = get(s, "ts_ns");
        boolean ok = true;
        if (ms != null && u != null) {
            ok = Math.floorDiv((Long) u, 1000L) == (Long) ms;
        }
        if (u != null && n != null) {
            ok &= nanos ? Math.floorDiv((Long) n, 1000L) == (Long) u : (Long) n == (Long) u * 1000L;
        }
        if (ms != null) {
            s.put("ts_ms", ok ? Math.floorDiv(us, 1000L) : -1L);
        }
        if (u != null) {
            s.put("ts_us", ok ? us : -1L);
        }
        if (n != null) {
            s.put("ts_ns", ok ? us * 1000L + (nanos ? 789 : 0) : -1L);
        }
    }

    void normalise(SourceRecord r) throws Exception {
        for (Header h : r.headers()) {
            if (h.key().equals("__debezium.context.runId") && h.value() != null && !h.value().toString().startsWith("run-")) {
                String id = runs.computeIfAbsent(h.value().toString(), k -> "run-" + (runs.size() + 1));
                r.headers().remove(h.key());
                r.headers().add(h.key(), id, h.schema());
                break;
            }
        }
        if (named(r, ".Heartbeat")) {
            stamp((Struct) r.value(), FIXED_US, true);
            return;
        }
        if (named(r, "TransactionMetadataValue")) {
            Struct v = (Struct) r.value();
            String id = v.getString("id");
            Set<Long> kind = v.getString("status").equals("END") ? commitLsns : eventLsns;
            String to = txPart(id, kind, true);
            long tx = id.startsWith("null") ? 0 : tx(Long.parseLong(id.split(":")[0]));
            Long us = txTs.get(tx);
            long ms = (Long) v.get("ts_ms");
            v.put("ts_ms", us != null && Math.floorDiv(us, 1000L) != ms ? -1L : Math.floorDiv(TX_US + (tx - TX) * 1000000L, 1000L));
            v.put("id", to);
            if (get(v, "data_collections") instanceof List<?> l) {
                List<Struct> to2 = new ArrayList<>();
                for (Object x : l) {
                    Struct c = (Struct) x;
                    c.put("data_collection", hash(c.getString("data_collection")));
                    to2.add(c);
                }
                to2.sort(Comparator.comparing(c -> c.getString("data_collection")));
                v.put("data_collections", to2);
            }
            if (r.key() instanceof Struct k && k.schema().field("id") != null) {
                k.put("id", k.getString("id").equals(id) ? to : "-1");
            }
            return;
        }
        if (named(r, "common.Notification")) {
            Struct v = (Struct) r.value();
            v.put("id", uuid(v.getString("id")));
            v.put("timestamp", FIXED_US / 1000);
            if (get(v, "additional_data") instanceof Map<?, ?> m) {
                v.put("additional_data", new TreeMap<>(m));
            }
            if (r.key() instanceof Struct k && k.schema().field("id") != null) {
                k.put("id", uuid(k.getString("id")));
            }
            return;
        }
        Struct s = source(r);
        if (s == null) {
            return;
        }
        Struct v = (Struct) r.value();
        stamp(v, FIXED_US, true);
        for (Object row : new Object[]{ get(v, "before"), get(v, "after"), r.key() }) {
            if (row instanceof Struct x) {
                arrays(x);
            }
        }
        for (Header h : r.headers()) {
            if (h.value() instanceof Struct x) {
                arrays(x);
            }
        }
        if (!doneStructs.add(s)) {
            // two halves of a key change share their source
            transaction(v, isSnapshot(s) ? snapLsns : eventLsns);
            return;
        }
        boolean snapshot = isSnapshot(s), incremental = "incremental".equals(get(s, "snapshot"));
        Set<Long> kind = snapshot ? snapLsns : eventLsns;
        Long tx = (Long) get(s, "txId");
        Long us = (Long) get(s, "ts_us");
        if (tx != null) {
            s.put("txId", tx(tx));
        }
        if (snapshot) {
            boolean parallel = !props.getProperty("snapshot.max.threads", "1").equals("1");
            long at = snapTs.computeIfAbsent(us, k -> parallel ? 1 : (long) snapTs.size() + 1);
            stamp(s, SNAP_US + at * 1000000L, false);
        }
        else if (incremental || tx == null) {
            stamp(s, FIXED_US, true);
        }
        else {
            long want = txTs.get(tx(tx));
            stamp(s, want == us ? TX_US + (tx(tx) - TX) * 1000000L : -1_000_000L, false);
        }
        if (get(s, "lsn") != null) {
            s.put("lsn", rank((Long) get(s, "lsn"), kind));
        }
        List<String> q = sequence(s);
        if (q != null) {
            s.put("sequence", "[" + (q.get(0) == null ? "null" : "\"" + rank(Long.parseLong(q.get(0)), commitLsns) + "\"") + ","
                    + (q.get(1) == null ? "null" : "\"" + rank(Long.parseLong(q.get(1)), kind) + "\"") + "]");
        }
        if (get(s, "xmin") != null) {
            s.put("xmin", 500L);
        }
        if (get(s, "db") != null && s.getString("db").equals(DB)) {
            s.put("db", DB_PLACEHOLDER);
        }
        transaction(v, kind);
        String signals = props.getProperty("signal.data.collection", "");
        if (signals.equals(get(s, "schema") + "." + get(s, "table"))) {
            for (String part : new String[]{ "before", "after" }) {
                if (get(v, part) instanceof Struct row) {
                    scrub(row);
                }
            }
            if (r.key() instanceof Struct k) {
                scrub(k);
            }
        }
    }

    static final Pattern HASH = Pattern.compile("(\\[+L[\\w.]+;|\\$LogicalDecodingMessageId)@[0-9a-f]+");

    static String hash(String x) {
        return HASH.matcher(x).replaceAll("$1@0");
    }

    /** Array elements that are a Java array's identity text. */
    @SuppressWarnings("unchecked")
    static void arrays(Struct row) {
        for (Field f : row.schema().fields()) {
            if (row.getWithoutDefault(f.name()) instanceof List<?> l && l.stream().anyMatch(x -> x instanceof String s && HASH.matcher(s).matches())) {
                List<Object> to = new ArrayList<>();
                l.forEach(x -> to.add(x instanceof String s ? hash(s) : x));
                row.put(f, to);
            }
        }
    }

    final Set<Struct> doneStructs = Collections.newSetFromMap(new IdentityHashMap<>());

    void transaction(Struct v, Set<Long> kind) {
        if (get(v, "transaction") instanceof Struct t && doneStructs.add(t)) {
            t.put("id", txPart(t.getString("id"), kind, true));
        }
    }

    void scrub(Struct row) {
        for (Field f : row.schema().fields()) {
            if (row.getWithoutDefault(f.name()) instanceof String x) {
                Matcher m = UUID_RE.matcher(x);
                StringBuilder b = new StringBuilder();
                while (m.find()) {
                    m.appendReplacement(b, uuid(m.group()));
                }
                m.appendTail(b);
                row.put(f, b.toString().replaceAll("\\d{4}-\\d\\d-\\d\\dT[0-9:.]+Z", "2000-01-01T00:00:00Z"));
            }
        }
    }

    String uuid(String u) {
        return UUID_RE.matcher(u).matches() ? uuids.computeIfAbsent(u, k -> "uuid-" + (uuids.size() + 1)) : u;
    }

    @SuppressWarnings("unchecked")
    String offsetLine(SourceRecord r, Map<String, Object> entry) throws Exception {
        Map<String, Object> from = (Map<String, Object>) entry.get("o"), to = new TreeMap<>();
        Object type = from.get("messageType");
        boolean rows = "INCREMENTAL".equals(from.get("snapshot"));
        boolean snapshot = from.get("snapshot") != null && !rows, beat = named(r, ".Heartbeat");
        boolean end = "COMMIT".equals(type) || beat, begin = "BEGIN".equals(type);
        Long tx = from.get("txId") instanceof Long x ? (Long) tx(x) : null;
        for (var e : from.entrySet()) {
            String k = hash(e.getKey());
            Object v = e.getValue();
            if (v instanceof Long x) {
                switch (k) {
                    case "lsn" -> v = place(x, snapshot ? List.of(snapLsns) : end ? List.of(commitLsns, eventLsns, snapLsns) : List.of(eventLsns, commitLsns, snapLsns));
                    case "lsn_proc" -> v = place(x, snapshot ? List.of(commitLsns, snapLsns) : end || begin ? List.of(commitLsns, snapLsns, eventLsns) : List.of(eventLsns, commitLsns, snapLsns));
                    case "lsn_commit" -> v = place(x, List.of(commitLsns, snapLsns));
                    case "txId" -> v = tx;
                    case "xmin" -> v = 500L;
                    case "ts_usec" -> v = offsetTime(x, r, entry, tx);
                    default -> {
                    }
                }
            }
            else if (v instanceof String x) {
                if (k.equals("transaction_id")) {
                    v = txPart(x, eventLsns, true);
                }
                else {
                    Matcher m = UUID_RE.matcher(x);
                    StringBuilder b = new StringBuilder();
                    while (m.find()) {
                        m.appendReplacement(b, uuid(m.group()));
                    }
                    v = m.appendTail(b).toString();
                }
            }
            to.put(k, v);
        }
        return "\"partition\":" + JSON.writeValueAsString(entry.get("p")) + ",\"offset\":" + JSON.writeValueAsString(to);
    }

    /** The placeholder of an LSN in the first series that has it; otherwise text: the next lower one of the last commit or event series, and a plus sign. */
    Object place(long lsn, List<TreeSet<Long>> series) {
        if (lsn == 0) {
            return 0L;
        }
        for (TreeSet<Long> s : series) {
            if (s.contains(lsn)) {
                return rank(lsn, s);
            }
        }
        return rank(lsn, series.get(0)) + "+";
    }

    Object offsetTime(long us, SourceRecord r, Map<String, Object> entry, Long tx) {
        Struct s = source(r);
        if (s != null && entry.get("us") != null && (Long) entry.get("us") == us) {
            return get(s, "ts_us");
        }
        if (tx != null && txTs.get(tx) != null && txTs.get(tx) == us) {
            return TX_US + (tx - TX) * 1000000L;
        }
        if (snapTs.containsKey(us)) {
            return SNAP_US + snapTs.get(us) * 1000000L;
        }
        for (var e : txTs.entrySet()) {
            if (e.getValue() != null && e.getValue() == us) {
                return TX_US + (e.getKey() - TX) * 1000000L;
            }
        }
        return FIXED_US;
    }
}
