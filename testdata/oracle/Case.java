import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.kafka.connect.source.SourceRecord;

import java.nio.file.Path;
import java.util.*;

/** One case: what it asks for, what the connector emitted, and what stands in the way of a comparison. */
class Case {
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

    final Path dir;
    final boolean raw;
    final Properties props = new Properties();
    final Map<String, String> oracleProps = new HashMap<>();
    final List<SourceRecord> records = new ArrayList<>();
    /** Lines that are not records, by the number of records before them. */
    final TreeMap<Integer, List<String>> marks = new TreeMap<>();
    final List<Map<String, Object>> offsetsLog = new ArrayList<>();
    final StringBuilder notes = new StringBuilder();

    Case(Path dir, boolean raw) {
        this.dir = dir;
        this.raw = raw;
    }
}
