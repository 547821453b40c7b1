import java.nio.file.Path;
import java.util.List;
import org.opensearch.Version;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.Node;
import org.opensearch.plugins.PluginInfo;
import org.opensearch.transport.Netty4ModulePlugin;

/** Runs one node of what is on the class path; its argument is the folder of opensearch.yml. */
public class OpenSearch {
  public static void main(String[] args) throws Exception {
    Path config = Path.of(args[0]);
    Settings settings = Settings.builder().loadFromPath(config.resolve("opensearch.yml")).build();
    String http = Netty4ModulePlugin.class.getName();
    PluginInfo netty = new PluginInfo(http, "HTTP", "", Version.CURRENT, String.valueOf(Runtime.version().feature()), http, List.of(), false);
    Node node = new Node(new Environment(settings, config), List.of(netty), false) {};
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
