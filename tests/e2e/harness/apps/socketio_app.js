/* A socket.io server with a page: it echoes, and says over which transport it does. It prints the fields of each connection.
 * Usage: node socketio_app.js PORT, where node finds socket.io. */
const http = require("http"), {Server} = require("socket.io");

const PAGE = `<!DOCTYPE html><title>waiting</title><script src="/socket.io/socket.io.js"></script><script>
const socket = io();
setInterval(async () => { document.title = await socket.emitWithAck("echo", "hello"); }, 50);
</script>`;

const server = http.createServer((request, answer) => answer.setHeader("Content-Type", "text/html").end(PAGE));
new Server(server).on("connection", socket => {
	console.log(JSON.stringify(socket.handshake.headers));
	socket.on("echo", (text, done) => done(`${text} over ${socket.conn.transport.name}`));
});
server.listen(Number(process.argv[2]), "127.0.0.1");
