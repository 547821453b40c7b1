import io.apicurio.registry.utils.converter.avro.AvroData;
import io.apicurio.registry.utils.converter.avro.AvroDataConfig;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;
import org.apache.kafka.connect.transforms.Transformation;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.*;

/** Writes the records of a case in the form of a recording: JSON, Avro, and the schemas of both. */
class Writer extends Normaliser {
    Writer(Path dir, boolean raw) {
        super(dir, raw);
    }

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
