// Keeping.java - Teku's way to talk to a signer: java.net.http over an SSLContext of "TLSv1.2", with client key store,
// trust store, and an Authenticator that speaks only when asked.
// Arguments: URL, trust store (PKCS#12), client key store or "-", password of both, user:password or "-",
// connections, seconds to be idle, and a file to POST if it is no GET. Prints how many answers of each round were 200.
import java.io.FileInputStream;
import java.net.Authenticator;
import java.net.PasswordAuthentication;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Keeping {
    static KeyStore open(String path, char[] password) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (FileInputStream in = new FileInputStream(path)) {
            store.load(in, password);
        }
        return store;
    }

    public static void main(String[] words) throws Exception {
        char[] password = words[3].toCharArray();
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(open(words[1], password));
        KeyManager[] keys = null;
        if (!words[2].equals("-")) {
            KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
            factory.init(open(words[2], password), password);
            keys = factory.getKeyManagers();
        }
        SSLContext context = SSLContext.getInstance("TLSv1.2");
        context.init(keys, trust.getTrustManagers(), null);
        HttpClient.Builder builder = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).sslContext(context);
        if (!words[4].equals("-")) {
            String[] pair = words[4].split(":", 2);
            builder.authenticator(new Authenticator() {
                @Override
                protected PasswordAuthentication getPasswordAuthentication() {
                    return new PasswordAuthentication(pair[0], pair[1].toCharArray());
                }
            });
        }
        HttpClient client = builder.build();
        HttpRequest.Builder building = HttpRequest.newBuilder(URI.create(words[0]));
        if (words.length > 7)
            building.header("Content-Type", "application/json").POST(HttpRequest.BodyPublishers.ofFile(Path.of(words[7])));
        HttpRequest request = building.build();
        for (int round = 0; round < 2; round++) {
            List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
            long began = System.nanoTime();
            for (int i = 0; i < Integer.parseInt(words[5]); i++)
                answers.add(client.sendAsync(request, HttpResponse.BodyHandlers.ofString()));
            int good = 0;
            for (CompletableFuture<HttpResponse<String>> answer : answers) {
                // A signer gives a handshake ten seconds, and a cold JVM on a busy machine may not get there: then again.
                HttpResponse<String> said;
                try {
                    said = answer.join();
                } catch (CompletionException e) {
                    if (round > 0 || System.nanoTime() - began < 9_000_000_000L)
                        throw e;
                    said = client.send(request, HttpResponse.BodyHandlers.ofString());
                }
                good += said.statusCode() == 200 ? 1 : 0;
            }
            System.out.println(good);
            Thread.sleep(round == 0 ? Integer.parseInt(words[6]) * 1000L : 0);
        }
        while (System.in.read() >= 0); // the connections are counted meanwhile
    }
}
