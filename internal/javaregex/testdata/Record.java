// Records what java.util.regex answers: java Record.java < cases.txt > java.txt
// A case is expression, i or -, text, replacement, separated by tabs; in the fields, U+2409 is a tab, U+240A a newline, U+240D a carriage return.
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.regex.*;

class Record {
    static String in(String s) { return s.replace('\u2409', '\t').replace('\u240a', '\n').replace('\u240d', '\r'); }
    static String out(String s) { return s.replace('\t', '\u2409').replace('\n', '\u240a').replace('\r', '\u240d'); }

    static String groups(Matcher m) {
        StringBuilder b = new StringBuilder();
        for (int i = 0; i <= m.groupCount(); i++) b.append(i == 0 ? "" : "|").append(m.group(i) == null ? "<none>" : m.group(i));
        return b.toString();
    }

    public static void main(String[] args) throws Exception {
        BufferedReader r = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream w = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        w.println("# java.util.regex of Java " + System.getProperty("java.version"));
        for (String line; (line = r.readLine()) != null; ) {
            if (line.isEmpty() || line.startsWith("# ")) continue;
            String[] f = line.split("\t", -1);
            String result;
            try {
                Pattern p = Pattern.compile(in(f[0]), f[1].equals("i") ? Pattern.CASE_INSENSITIVE : 0);
                Matcher m = p.matcher(in(f[2]));
                result = out(m.matches() ? "matches " + groups(m) : "no");
                m.reset();
                result += "\t" + out(m.find() ? "finds " + groups(m) : "no");
                try {
                    result += "\t" + out(m.replaceFirst(in(f[3]))) + "\t" + out(m.replaceAll(in(f[3])));
                } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
                    result += "\trefused";
                }
            } catch (PatternSyntaxException e) {
                result = "error\t" + out(e.getMessage());
            }
            w.println(line + "\t" + result);
        }
    }
}
