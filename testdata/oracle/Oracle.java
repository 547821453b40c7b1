import com.fasterxml.jackson.databind.ObjectMapper;
import io.apicurio.registry.utils.converter.avro.AvroData;
import io.apicurio.registry.utils.converter.avro.AvroDataConfig;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceConnector;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.source.SourceTask;
import org.apache.kafka.connect.source.SourceTaskContext;
import org.apache.kafka.connect.storage.OffsetStorageReader;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;
import org.apache.kafka.connect.transforms.Transformation;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.*;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Runs the Debezium PostgreSQL connector over case folders and writes what it emits, normalised. See README.md.
 */
public class Oracle {

    static final String HOST = env("PGHOST", "127.0.0.1");
    static final String PORT = env("PGPORT", "5432");
    static final String USER = env("PGUSER", "postgres");
    static final String PASSWORD = env("PGPASSWORD", "");
    static final String DB = env("ORACLE_DB", "oracle");
    static final String SLOT = env("ORACLE_SLOT", "oracle");
    static final String DB_PLACEHOLDER = "oracle";
    static final String SYNC = "oracle-sync";
    static final ObjectMapper JSON = new ObjectMapper();

    static String env(String k, String d) {
        String v = System.getenv(k);
        return v == null || v.isEmpty() ? d : v;
    }

    public static void main(String[] args) throws Exception {
        boolean raw = false;
        int failed = 0, done = 0, skipped = 0;
        List<Path> cases = new ArrayList<>();
        for (String a : args) {
            if (a.equals("-raw")) {
                raw = true;
                continue;
            }
            collect(Path.of(a), cases);
        }
        long t0 = System.currentTimeMillis();
        for (Path c : cases) {
            long t = System.currentTimeMillis();
            String state;
            try {
                state = new Oracle(c, raw).run();
                if (state.startsWith("skipped")) {
                    skipped++;
                }
                else {
                    done++;
                }
            }
            catch (Throwable e) {
                failed++;
                state = "FAILED " + e;
                e.printStackTrace();
            }
            System.out.printf("%-44s %6d ms  %s%n", c.getFileName(), System.currentTimeMillis() - t, state);
            System.out.flush();
        }
        System.out.printf("%d cases written, %d skipped, %d failed, %d s%n", done, skipped, failed, (System.currentTimeMillis() - t0) / 1000);
        System.exit(failed == 0 ? 0 : 1);
    }

    static void collect(Path p, List<Path> out) throws Exception {
        if (Files.exists(p.resolve("connector.properties"))) {
            out.add(p);
            return;
        }
        try (var s = Files.list(p)) {
            s.filter(x -> Files.exists(x.resolve("connector.properties"))).sorted().forEach(out::add);
        }
    }

    // ------------------------------------------------------------------------------------------ one case

    final Path dir;
    final boolean raw;
    final Properties props = new Properties();
    final Map<String, String> oracleProps = new HashMap<>();
    final List<SourceRecord> records = new ArrayList<>();
    /** Lines that are not records, by the number of records before them. */
    final TreeMap<Integer, List<String>> marks = new TreeMap<>();
    final List<Map<String, Object>> offsetsLog = new ArrayList<>();
    final Map<Map<String, ?>, Map<String, Object>> offsets = new HashMap<>();
    final StringBuilder notes = new StringBuilder();
    SourceTask task;
    Connection admin;
    int sync;

    Oracle(Path dir, boolean raw) {
        this.dir = dir;
        this.raw = raw;
    }

    String run() throws Exception {
        try (var r = Files.newBufferedReader(dir.resolve("connector.properties"))) {
            props.load(r);
        }
        for (String k : props.stringPropertyNames()) {
            if (k.startsWith("oracle.")) {
                oracleProps.put(k, props.getProperty(k));
            }
        }
        try (Connection pg = connect("postgres"); Statement st = pg.createStatement()) {
            ResultSet v = st.executeQuery("SHOW server_version_num");
            v.next();
            int have = v.getInt(1) / 10000;
            if (have < Integer.parseInt(oracleProps.getOrDefault("oracle.pg.min", "0"))) {
                return "skipped: server " + have;
            }
            if (have > Integer.parseInt(oracleProps.getOrDefault("oracle.pg.max", "99"))) {
                return "skipped: server " + have;
            }
            cleanup(st);
            st.execute("CREATE DATABASE " + DB + " TEMPLATE template0 ENCODING 'UTF8'");
        }
        try {
            admin = connect(DB);
            try {
                scenario();
            }
            finally {
                stop();
                admin.close();
                dropKafkaTopic();
            }
        }
        finally {
            try (Connection pg = connect("postgres"); Statement st = pg.createStatement()) {
                cleanup(st);
            }
        }
        write();
        return records.size() + " records" + (notes.length() > 0 ? "  NOTE " + notes : "");
    }

    void cleanup(Statement st) throws Exception {
        for (int i = 0; i < 50; i++) {
            try {
                st.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '" + SLOT + "' AND active");
                st.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '" + SLOT + "'");
                st.execute("DROP DATABASE IF EXISTS " + DB + " WITH (FORCE)");
                return;
            }
            catch (java.sql.SQLException e) {
                if (i == 49) {
                    throw e;
                }
                Thread.sleep(100);
            }
        }
    }

    static Connection connect(String db) throws Exception {
        Properties p = new Properties();
        p.setProperty("user", USER);
        p.setProperty("password", PASSWORD);
        return DriverManager.getConnection("jdbc:postgresql://" + HOST + ":" + PORT + "/" + db, p);
    }

    void scenario() throws Exception {
        try (Psql psql = new Psql()) {
            if (Files.exists(dir.resolve("setup.sql"))) {
                psql.run(Files.readString(dir.resolve("setup.sql")));
            }
            start();
            StringBuilder chunk = new StringBuilder();
            String changes = Files.exists(dir.resolve("changes.sql")) ? Files.readString(dir.resolve("changes.sql")) : "";
            for (String line : changes.split("\n")) {
                Matcher m = Pattern.compile("^--\\s*oracle:\\s*(\\S+)\\s*(.*)$").matcher(line.trim());
                if (!m.matches()) {
                    chunk.append(line).append('\n');
                    continue;
                }
                psql.run(chunk.toString());
                chunk.setLength(0);
                directive(m.group(1), m.group(2).trim());
            }
            psql.run(chunk.toString());
            settle();
        }
    }

    void directive(String what, String arg) throws Exception {
        switch (what) {
            case "sleep" -> pollFor(Long.parseLong(arg));
            case "wait" -> settle();
            case "stop" -> {
                settle();
                stop();
            }
            case "start" -> start();
            case "restart" -> {
                settle();
                stop();
                reconfigure(arg);
                start();
            }
            // as restart, but the stored offset is that of the record n back (the last n were delivered, not committed)
            case "rewind" -> {
                settle();
                int back = offsetsLog.size() - 1 - Integer.parseInt(arg);
                stop();
                offsets.clear();
                if (back >= 0) {
                    @SuppressWarnings("unchecked")
                    Map<String, Object> part = (Map<String, Object>) offsetsLog.get(back).get("p");
                    @SuppressWarnings("unchecked")
                    Map<String, Object> off = (Map<String, Object>) offsetsLog.get(back).get("o");
                    offsets.put(part, off);
                }
                start();
            }
            // forget all offsets (and, with `slot`, drop the slot)
            case "forget" -> {
                if (arg.contains("offsets")) {
                    offsets.clear();
                }
                if (arg.contains("slot")) {
                    try (Statement st = admin.createStatement()) {
                        st.execute("SELECT pg_drop_replication_slot('" + SLOT + "')");
                    }
                }
            }
            case "signal" -> {
                Files.writeString(signalFile(), arg + "\n");
                pollFor(1500);
                settle();
            }
            case "kafka" -> {
                int i = arg.indexOf(' ');
                kafka(arg.substring(0, i), arg.substring(i + 1).trim());
                pollFor(1500);
                settle();
            }
            default -> throw new IllegalArgumentException("unknown directive " + what);
        }
    }

    void reconfigure(String arg) {
        for (String kv : arg.isEmpty() ? new String[0] : arg.split("\\s+")) {
            int i = kv.indexOf('=');
            props.setProperty(kv.substring(0, i), kv.substring(i + 1));
        }
    }

    static final String KAFKA = env("ORACLE_KAFKA", "127.0.0.1:9092");
    String kafkaTopic;

    /** A fresh signal topic with one partition. */
    String kafkaTopic() throws Exception {
        if (kafkaTopic == null) {
            kafkaTopic = "sig-" + SLOT + "-" + UUID.randomUUID();
            try (var a = org.apache.kafka.clients.admin.Admin.create(Map.of("bootstrap.servers", (Object) KAFKA))) {
                a.createTopics(List.of(new org.apache.kafka.clients.admin.NewTopic(kafkaTopic, 1, (short) 1))).all().get();
            }
        }
        return kafkaTopic;
    }

    void kafka(String key, String value) throws Exception {
        var s = new org.apache.kafka.common.serialization.StringSerializer();
        try (var p = new org.apache.kafka.clients.producer.KafkaProducer<String, String>(Map.of("bootstrap.servers", (Object) KAFKA), s, s)) {
            p.send(new org.apache.kafka.clients.producer.ProducerRecord<>(kafkaTopic(), key, value)).get();
        }
    }

    void dropKafkaTopic() throws Exception {
        if (kafkaTopic != null) {
            try (var a = org.apache.kafka.clients.admin.Admin.create(Map.of("bootstrap.servers", (Object) KAFKA))) {
                a.deleteTopics(List.of(kafkaTopic)).all().get();
            }
        }
    }

    Path signalFile;

    Path signalFile() throws Exception {
        if (signalFile == null) {
            signalFile = Files.createTempFile("oracle-signals", ".txt");
            signalFile.toFile().deleteOnExit();
        }
        return signalFile;
    }

    Map<String, String> config() throws Exception {
        Map<String, String> c = new LinkedHashMap<>();
        c.put("name", "oracle");
        c.put("connector.class", "io.debezium.connector.postgresql.PostgresConnector");
        c.put("database.hostname", HOST);
        c.put("database.port", PORT);
        c.put("database.user", USER);
        c.put("database.password", PASSWORD);
        c.put("database.dbname", DB);
        c.put("slot.name", SLOT);
        c.put("plugin.name", "pgoutput");
        c.put("topic.prefix", "p");
        c.put("poll.interval.ms", "20");
        c.put("signal.poll.interval.ms", "100");
        c.put("errors.max.retries", "0");
        for (String k : props.stringPropertyNames()) {
            if (!k.startsWith("oracle.") && !k.startsWith("transforms")) {
                c.put(k, props.getProperty(k));
            }
        }
        if (c.getOrDefault("signal.enabled.channels", "").contains("file")) {
            c.put("signal.file", signalFile().toString());
        }
        if (List.of(c.getOrDefault("signal.enabled.channels", "").split(",")).contains("kafka")) {
            c.put("signal.kafka.bootstrap.servers", KAFKA);
            c.put("signal.kafka.topic", kafkaTopic());
        }
        return c;
    }

    static final org.apache.kafka.connect.connector.ConnectorContext NO_CONTEXT = new org.apache.kafka.connect.source.SourceConnectorContext() {
        public void requestTaskReconfiguration() {
        }

        public void raiseError(Exception e) {
            throw new RuntimeException(e);
        }

        public OffsetStorageReader offsetStorageReader() {
            return null;
        }

        public org.apache.kafka.common.metrics.PluginMetrics pluginMetrics() {
            return null;
        }
    };

    boolean streams() {
        return !"idle".equals(oracleProps.get("oracle.wait"));
    }

    void validate() throws Exception {
        SourceConnector connector = (SourceConnector) Class.forName(config().get("connector.class")).getDeclaredConstructor().newInstance();
        List<String> lines = new ArrayList<>();
        for (var v : connector.validate(config()).configValues()) {
            if (!v.errorMessages().isEmpty()) {
                StringBuilder b = new StringBuilder("{\"property\":");
                str(b, v.name());
                b.append(",\"errors\":").append(JSON.writeValueAsString(v.errorMessages())).append('}');
                lines.add(b.toString());
            }
        }
        Collections.sort(lines);
        marks.computeIfAbsent(records.size(), k -> new ArrayList<>()).addAll(lines);
    }

    void start() throws Exception {
        if ("true".equals(oracleProps.get("oracle.validate"))) {
            validate();
            return;
        }
        Map<String, String> config = config();
        try {
            SourceConnector connector = (SourceConnector) Class.forName(config.get("connector.class")).getDeclaredConstructor().newInstance();
            connector.initialize(NO_CONTEXT);
            connector.start(config);
            Map<String, String> taskConfig = connector.taskConfigs(1).get(0);
            task = (SourceTask) connector.taskClass().getDeclaredConstructor().newInstance();
            task.initialize(new Context(taskConfig));
            task.start(taskConfig);
        }
        catch (Exception e) {
            failure(e);
            return;
        }
        if (!streams()) {
            pollFor(Long.parseLong(oracleProps.getOrDefault("oracle.idle.ms", "2500")));
            return;
        }
        long end = System.currentTimeMillis() + 30000;
        while (System.currentTimeMillis() < end) {
            if (!poll()) {
                return;
            }
            try (Statement st = admin.createStatement();
                    ResultSet rs = st.executeQuery("SELECT 1 FROM pg_replication_slots s JOIN pg_stat_replication r ON r.pid = s.active_pid"
                            + " WHERE s.slot_name = '" + SLOT + "' AND r.state = 'streaming'")) {
                if (rs.next()) {
                    return;
                }
            }
            Thread.sleep(20);
        }
        notes.append("never streaming; ");
    }

    void failure(Throwable e) {
        Throwable c = e;
        while (c.getCause() != null && c.getCause() != c) {
            c = c.getCause();
        }
        StringBuilder b = new StringBuilder("{\"failure\":");
        str(b, c.getClass().getName());
        b.append(",\"message\":");
        String m = String.valueOf(c.getMessage());
        str(b, m.replaceAll("\\d{4}-\\d\\d-\\d\\dT[0-9:.]+Z", "<time>").replaceAll("[0-9A-F]+/[0-9A-F]{6,}|LSN\\{[^}]*}", "<lsn>").replace(PORT, "<port>").replaceAll("\\d{4,}", "<n>"));
        b.append('}');
        marks.computeIfAbsent(records.size(), k -> new ArrayList<>()).add(b.toString());
        notes.append("failure ").append(c).append("; ");
        e.printStackTrace();
        SourceTask t = task;
        task = null;
        if (t != null) {
            try {
                t.stop();
            }
            catch (Exception x) {
                // stopping a failed task
            }
        }
    }

    void stop() {
        if (task != null) {
            SourceTask t = task;
            task = null;
            t.stop();
        }
    }

    boolean sawSync;

    /** One poll; false when there is no running task (any more). */
    boolean poll() throws Exception {
        if (task == null) {
            return false;
        }
        List<SourceRecord> list;
        try {
            list = task.poll();
        }
        catch (Exception e) {
            failure(e);
            return false;
        }
        if (list == null) {
            return true;
        }
        for (SourceRecord r : list) {
            if (r.value() instanceof Struct v && v.schema().field("message") != null && v.get("message") instanceof Struct m
                    && m.schema().field("prefix") != null && SYNC.equals(m.getString("prefix"))) {
                sawSync |= Arrays.equals(bytes(m.getWithoutDefault("content")), Integer.toString(sync).getBytes());
            }
            else {
                records.add(r);
            }
            Map<String, Object> off = new HashMap<>();
            r.sourceOffset().forEach((k, x) -> off.put(k, x instanceof Integer i ? (Object) i.longValue() : x));
            Map<String, Object> entry = new HashMap<>();
            entry.put("p", r.sourcePartition());
            entry.put("o", off);
            Struct src = source(r);
            entry.put("us", src == null ? null : get(src, "ts_us"));
            if (!isSync(r)) {
                offsetsLog.add(entry);
            }
            if (!"false".equals(oracleProps.get("oracle.commit"))) {
                offsets.put(r.sourcePartition(), off);
                task.commitRecord(r, null);
            }
        }
        if (!list.isEmpty() && !"false".equals(oracleProps.get("oracle.commit"))) {
            task.commit();
        }
        return true;
    }

    static boolean isSync(SourceRecord r) {
        return r.value() instanceof Struct v && v.schema().field("message") != null && v.get("message") instanceof Struct m
                && m.schema().field("prefix") != null && SYNC.equals(m.getString("prefix"));
    }

    static byte[] bytes(Object o) {
        if (o instanceof ByteBuffer b) {
            byte[] x = new byte[b.remaining()];
            b.duplicate().get(x);
            return x;
        }
        if (o instanceof byte[] b) {
            return b;
        }
        if (o instanceof String s) {
            // binary.handling.mode is a text one
            try {
                return s.matches("([0-9a-f]{2})+") && !s.contains("=") ? HexFormat.of().parseHex(s) : Base64.getDecoder().decode(s.replace('-', '+').replace('_', '/'));
            }
            catch (IllegalArgumentException e) {
                return s.getBytes();
            }
        }
        return new byte[0];
    }

    void pollFor(long ms) throws Exception {
        long end = System.currentTimeMillis() + ms;
        while (System.currentTimeMillis() < end) {
            if (!poll()) {
                return;
            }
        }
    }

    /** Until everything written so far has been delivered. */
    void settle() throws Exception {
        if (task == null) {
            return;
        }
        if (!streams()) {
            pollFor(Long.parseLong(oracleProps.getOrDefault("oracle.idle.ms", "2500")));
            return;
        }
        sawSync = false;
        sync++;
        try (Statement st = admin.createStatement()) {
            st.execute("SELECT pg_logical_emit_message(false, '" + SYNC + "', '" + sync + "')");
        }
        long end = System.currentTimeMillis() + 12000;
        while (!sawSync) {
            if (!poll()) {
                return;
            }
            if (System.currentTimeMillis() > end) {
                notes.append("no sync; ");
                return;
            }
        }
        pollFor(Long.parseLong(oracleProps.getOrDefault("oracle.tail.ms", "0")));
    }

    class Context implements SourceTaskContext {
        final Map<String, String> config;

        Context(Map<String, String> config) {
            this.config = config;
        }

        public Map<String, String> configs() {
            return config;
        }

        public OffsetStorageReader offsetStorageReader() {
            return new OffsetStorageReader() {
                public <T> Map<String, Object> offset(Map<String, T> partition) {
                    return offsets.get(partition);
                }

                public <T> Map<Map<String, T>, Map<String, Object>> offsets(Collection<Map<String, T>> partitions) {
                    Map<Map<String, T>, Map<String, Object>> m = new HashMap<>();
                    for (Map<String, T> p : partitions) {
                        m.put(p, offsets.get(p));
                    }
                    return m;
                }
            };
        }

        public org.apache.kafka.common.metrics.PluginMetrics pluginMetrics() {
            return null;
        }
    }

    /** One psql session that runs chunks of SQL. */
    class Psql implements AutoCloseable {
        final Process p;
        final OutputStream in;
        final BufferedReader out;

        Psql() throws Exception {
            ProcessBuilder b = new ProcessBuilder("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "slot=" + SLOT, "-h", HOST, "-p", PORT, "-U", USER, "-d", DB);
            b.environment().put("PGCLIENTENCODING", "UTF8");
            b.redirectErrorStream(true);
            p = b.start();
            in = p.getOutputStream();
            out = new BufferedReader(new InputStreamReader(p.getInputStream(), StandardCharsets.UTF_8));
        }

        void run(String sql) throws Exception {
            in.write((sql + "\n\\echo ==oracle==\n").getBytes(StandardCharsets.UTF_8));
            in.flush();
            for (String line; (line = out.readLine()) != null;) {
                if (line.equals("==oracle==")) {
                    return;
                }
                if (line.contains("ERROR:") || line.contains("error:")) {
                    notes.append(line).append("; ");
                }
            }
            throw new IllegalStateException("psql ended: " + notes);
        }

        public void close() throws Exception {
            in.close();
            p.waitFor();
        }
    }

    // ------------------------------------------------------------------------------------------ normalisation

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

    // ------------------------------------------------------------------------------------------ offsets

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

    // ------------------------------------------------------------------------------------------ writing

    final Map<String, String> schemas = new LinkedHashMap<>();
    final Map<String, String> avroNames = new HashMap<>();
    final Map<String, Integer> avroCount = new HashMap<>();
    final Map<Schema, String> schemaIds = new HashMap<>();
    JsonConverter jsonKey, jsonValue, jsonKeySchema, jsonValueSchema;
    final AvroData avro = new AvroData(new AvroDataConfig(new HashMap<>()));

    JsonConverter converter(boolean key, boolean schemas) {
        JsonConverter c = new JsonConverter();
        Map<String, Object> m = new HashMap<>();
        oracleProps.forEach((k, v) -> {
            if (k.startsWith("oracle.json.")) {
                m.put(k.substring("oracle.json.".length()), v);
            }
        });
        m.put("schemas.enable", String.valueOf(schemas));
        c.configure(m, key);
        return c;
    }

    @SuppressWarnings("unchecked")
    void write() throws Exception {
        jsonKey = converter(true, false);
        jsonValue = converter(false, false);
        jsonKeySchema = converter(true, true);
        jsonValueSchema = converter(false, true);
        List<Transformation<SourceRecord>> chain = new ArrayList<>();
        for (String name : props.getProperty("transforms", "").split(",")) {
            if (!name.isBlank()) {
                String prefix = "transforms." + name.trim() + ".";
                Map<String, Object> c = new HashMap<>();
                for (String k : props.stringPropertyNames()) {
                    if (k.startsWith(prefix)) {
                        c.put(k.substring(prefix.length()), props.getProperty(k));
                    }
                }
                Transformation<SourceRecord> t = (Transformation<SourceRecord>) Class.forName((String) c.get("type")).getDeclaredConstructor().newInstance();
                t.configure(c);
                chain.add(t);
            }
        }
        if (!raw) {
            for (SourceRecord r : records) {
                collectLsns(r);
                Struct s = source(r);
                if (s != null && !isSnapshot(s) && get(s, "txId") != null && get(s, "ts_us") != null) {
                    tx((Long) get(s, "txId"));
                }
                else if (s != null && get(s, "txId") != null) {
                    tx((Long) get(s, "txId"));
                }
                else if (named(r, "TransactionMetadataValue")) {
                    txPart(((Struct) r.value()).getString("id"), eventLsns, true);
                }
                if (s != null && !isSnapshot(s) && get(s, "txId") != null) {
                    txTs.putIfAbsent(tx((Long) get(s, "txId")), (Long) get(s, "ts_us"));
                }
            }
        }
        Path sd = dir.resolve("schemas");
        if (!raw && Files.isDirectory(sd)) {
            for (File f : sd.toFile().listFiles()) {
                f.delete();
            }
        }
        StringBuilder out = new StringBuilder();
        StringBuilder tail = new StringBuilder();
        boolean withOffsets = !raw && "true".equals(oracleProps.get("oracle.offsets"));
        StringBuilder offOut = new StringBuilder();
        Set<String> beatOffsets = new TreeSet<>();
        int lines = 0;
        Set<String> beats = new HashSet<>();
        int n = 0;
        for (SourceRecord r0 : records) {
            for (String mark : marks.getOrDefault(n, List.of())) {
                out.append(mark).append('\n');
                lines++;
            }
            n++;
            boolean beat = named(r0, ".Heartbeat");
            if (!raw) {
                normalise(r0);
            }
            String offset = withOffsets ? offsetLine(r0, offsetsLog.get(n - 1)) : null;
            SourceRecord r = r0;
            StringBuilder line = new StringBuilder();
            try {
                for (Transformation<SourceRecord> t : chain) {
                    r = r == null ? null : t.apply(r);
                }
                if (r == null) {
                    continue;
                }
                line(line, r);
            }
            catch (Exception e) {
                notes.append(e).append("; ");
                line.setLength(0);
                line.append("{\"failure\":");
                str(line, e.getClass().getName());
                line.append(",\"message\":");
                str(line, String.valueOf(e.getMessage()));
                line.append("}");
            }
            if (beat && !raw) {
                if (beats.add(line.toString())) {
                    tail.append(line).append('\n');
                }
                if (withOffsets) {
                    beatOffsets.add("{\"record\":\"heartbeat\"," + offset + "}\n");
                }
            }
            else {
                out.append(line).append('\n');
                lines++;
                if (withOffsets) {
                    offOut.append("{\"record\":").append(lines).append(',').append(offset).append("}\n");
                }
            }
        }
        for (String mark : marks.getOrDefault(n, List.of())) {
            out.append(mark).append('\n');
        }
        out.append(tail);
        if (raw) {
            System.out.print(out);
            for (var o : offsetsLog) {
                Map<String, Object> l = new LinkedHashMap<>();
                l.put("partition", o.get("p"));
                l.put("offset", new TreeMap<>((Map<String, Object>) o.get("o")));
                System.out.println(JSON.writeValueAsString(l));
            }
            return;
        }
        Files.writeString(dir.resolve("expected.jsonl"), out);
        if (withOffsets) {
            beatOffsets.forEach(offOut::append);
            Files.writeString(dir.resolve("offsets.jsonl"), offOut);
        }
        StringBuilder b = new StringBuilder("{");
        String sep = "\n";
        for (var e : schemas.entrySet()) {
            b.append(sep).append('"').append(e.getKey()).append("\":").append(e.getValue());
            sep = ",\n";
        }
        Files.writeString(dir.resolve("schemas.json"), b.append("\n}\n"));
    }

    void line(StringBuilder b, SourceRecord r) throws Exception {
        b.append("{\"topic\":");
        str(b, r.topic());
        if (r.kafkaPartition() != null) {
            b.append(",\"partition\":").append(r.kafkaPartition());
        }
        if (r.timestamp() != null) {
            b.append(",\"timestamp\":").append(r.timestamp());
        }
        part(b, "key", true, r.topic(), r.keySchema(), r.key());
        part(b, "value", false, r.topic(), r.valueSchema(), r.value());
        b.append(",\"headers\":[");
        String sep = "";
        for (Header h : r.headers()) {
            b.append(sep).append("{\"key\":");
            str(b, h.key());
            b.append(",\"value\":").append(payload(jsonValue, h.schema(), h.value()));
            if (h.schema() != null) {
                b.append(",\"schema\":\"").append(schemaId(jsonValueSchema, jsonValue, h.schema(), h.value())).append('"');
            }
            if (h.value() != null && !(h.value() instanceof String)) {
                b.append(",\"simple\":");
                try (SimpleHeaderConverter c = new SimpleHeaderConverter()) {
                    str(b, new String(c.fromConnectHeader(r.topic(), h.key(), h.schema(), h.value()), StandardCharsets.UTF_8));
                }
            }
            b.append('}');
            sep = ",";
        }
        b.append("]}");
    }

    static String payload(JsonConverter c, Schema s, Object v) {
        byte[] x = c.fromConnectData("t", s, v);
        return x == null ? "null" : new String(x, StandardCharsets.UTF_8);
    }

    String schemaId(JsonConverter with, JsonConverter without, Schema schema, Object v) throws Exception {
        String id = schemaIds.get(schema);
        if (id == null) {
            String p = payload(without, schema, v), w = payload(with, schema, v);
            String text;
            if (w.equals("null")) {
                var n = with.asJsonSchema(schema);
                text = JSON.writeValueAsString(n);
            }
            else {
                text = w.substring("{\"schema\":".length(), w.length() - p.length() - ",\"payload\":}".length());
            }
            byte[] d = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            id = HexFormat.of().formatHex(d, 0, 6);
            schemas.put(id, text);
            schemaIds.put(schema, id);
        }
        return id;
    }

    int digestOver() {
        return Integer.parseInt(oracleProps.getOrDefault("oracle.digest", String.valueOf(Integer.MAX_VALUE)));
    }

    static void digest(StringBuilder b, String name, byte[] bytes) throws Exception {
        b.append(",\"").append(name).append("Bytes\":").append(bytes.length).append(",\"").append(name).append("Sha256\":\"")
                .append(HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes))).append('"');
    }

    void part(StringBuilder b, String name, boolean key, String topic, Schema schema, Object v) throws Exception {
        String text = payload(key ? jsonKey : jsonValue, schema, v);
        if (text.length() > digestOver()) {
            digest(b, name, text.getBytes(StandardCharsets.UTF_8));
        }
        else {
            b.append(",\"").append(name).append("\":").append(text);
        }
        if (schema == null) {
            return;
        }
        b.append(",\"").append(name).append("Schema\":\"")
                .append(schemaId(key ? jsonKeySchema : jsonValueSchema, key ? jsonKey : jsonValue, schema, v)).append('"');
        try {
            org.apache.avro.Schema a = avro.fromConnectSchema(schema);
            String file = avroFile(topic + "-" + name, a.toString());
            if (v != null || schema.isOptional()) {
                ByteArrayOutputStream o = new ByteArrayOutputStream();
                BinaryEncoder e = EncoderFactory.get().directBinaryEncoder(o, null);
                Object d = avro.fromConnectData(schema, v);
                if (d instanceof io.apicurio.registry.serde.avro.NonRecordContainer c) {
                    d = c.getValue();
                }
                if (d instanceof byte[] x) {
                    d = ByteBuffer.wrap(x);
                }
                new GenericDatumWriter<>(a, LOGICAL).write(d, e);
                e.flush();
                if (o.size() > digestOver()) {
                    digest(b, name + "Avro", o.toByteArray());
                }
                else {
                    b.append(",\"").append(name).append("Avro\":\"").append(HexFormat.of().formatHex(o.toByteArray())).append('"');
                }
            }
            b.append(",\"").append(name).append("AvroSchema\":");
            str(b, file);
        }
        catch (RuntimeException e) {
            b.append(",\"").append(name).append("AvroError\":");
            str(b, e.getClass().getName() + ": " + e.getMessage());
        }
    }

    static final org.apache.avro.generic.GenericData LOGICAL = new org.apache.avro.generic.GenericData();

    String avroFile(String base, String text) throws Exception {
        String known = avroNames.get(base + "\n" + text);
        if (known != null) {
            return known;
        }
        int n = avroCount.merge(base, 1, Integer::sum);
        String file = base + (n == 1 ? "" : "." + n) + ".avsc";
        avroNames.put(base + "\n" + text, file);
        if (!raw) {
            Files.createDirectories(dir.resolve("schemas"));
            Files.writeString(dir.resolve("schemas").resolve(file), text + "\n");
        }
        return file;
    }

    static void str(StringBuilder b, String s) {
        try {
            b.append(JSON.writeValueAsString(s));
        }
        catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
