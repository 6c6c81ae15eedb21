import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.Certificate;
import java.util.HexFormat;
import javax.net.ssl.*;

/** A server that demands a client certificate and a client, each with a key store and a trust store: prints whom each saw. */
public class Mutual {
    static char[] password(String file) throws Exception {
        return Files.readString(Path.of(file)).trim().toCharArray();
    }

    /** The provider is left to find out what a store is, as servers do with whatever the configuration says. */
    static KeyStore store(String file, String password) throws Exception {
        return KeyStore.getInstance(new File(file), password(password));
    }

    static SSLContext context(String keys, String trust, String password, String keyPassword) throws Exception {
        KeyManager[] own = null;
        if (!keys.equals("none")) {
            KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
            factory.init(store(keys, password), password(keyPassword));
            own = factory.getKeyManagers();
        }
        TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
        trusted.init(store(trust, password));
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(own, trusted.getTrustManagers(), null);
        return context;
    }

    static String leaf(SSLSocket socket) throws Exception {
        Certificate[] peer = socket.getSession().getPeerCertificates();
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(peer[0].getEncoded());
        return HexFormat.of().formatHex(digest) + " chain " + peer.length;
    }

    /** Arguments: the server's keys and trust, the client's keys (or "none") and trust, password file, key password file. */
    public static void main(String[] a) throws Exception {
        SSLContext serving = context(a[0], a[1], a[4], a[5]);
        SSLContext asking = context(a[2], a[3], a[4], a[5]);
        SSLServerSocket listener =
            (SSLServerSocket) serving.getServerSocketFactory().createServerSocket(0, 1, java.net.InetAddress.getLoopbackAddress());
        listener.setNeedClientAuth(true);
        listener.setSoTimeout(20000);
        String[] seen = new String[1];
        Thread server = new Thread(() -> {
            try (SSLSocket socket = (SSLSocket) listener.accept()) {
                socket.setSoTimeout(20000);
                int first = socket.getInputStream().read();
                seen[0] = "server saw " + leaf(socket);
                socket.getOutputStream().write(first);
            } catch (Exception error) {
                seen[0] = "server refused: " + error.getMessage();
            }
        });
        server.start();
        String client;
        try (SSLSocket socket =
                (SSLSocket) asking.getSocketFactory().createSocket(listener.getInetAddress(), listener.getLocalPort())) {
            socket.setSoTimeout(20000);
            socket.getOutputStream().write('x');
            client = socket.getInputStream().read() == 'x' ? "client saw " + leaf(socket) : "client got nothing";
        } catch (Exception error) {
            client = "client refused: " + error.getMessage();
        }
        server.join();
        System.out.println(seen[0]);
        System.out.println(client);
        boolean whole = seen[0].startsWith("server saw") && client.startsWith("client saw");
        System.exit(whole ? 0 : 3);
    }
}
