import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceConnector;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.source.SourceTask;
import org.apache.kafka.connect.source.SourceTaskContext;
import org.apache.kafka.connect.storage.OffsetStorageReader;

import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
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
public class Oracle extends Writer {
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

    final Map<Map<String, ?>, Map<String, Object>> offsets = new HashMap<>();
    SourceTask task;
    Connection admin;
    int sync;

    Oracle(Path dir, boolean raw) {
        super(dir, raw);
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
}
