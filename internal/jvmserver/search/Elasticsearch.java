import java.nio.file.Path;
import java.util.List;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.Node;
import org.elasticsearch.transport.Netty4Plugin;

/** Runs one node of what is on the class path; its argument is the folder of elasticsearch.yml. */
public class Elasticsearch {
  public static void main(String[] args) throws Exception {
    Path config = Path.of(args[0]);
    Settings settings = Settings.builder().loadFromPath(config.resolve("elasticsearch.yml")).build();
    Node node = new Node(new Environment(settings, config), List.of(Netty4Plugin.class), false) {};
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      try {
        node.close();
      } catch (Exception e) {
        e.printStackTrace();
      }
    }));
    node.start();
    Thread.currentThread().join();
  }
}
