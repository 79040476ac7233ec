# A client by Net::SMPP: perl client.pl PORT COUNT. Sends one by one, waits for the receipts, prints "ACCEPTED RECEIPTS".
use strict;
use warnings;
use Net::SMPP;
my ($port, $count) = @ARGV;
$SIG{ALRM} = sub { die "no end within a minute\n" };
alarm 60;
my ($smpp, $bound) = Net::SMPP->new_transceiver('127.0.0.1', port => $port, system_id => 'loa', password => 'x');
die "no bind\n" unless $smpp && $bound && $bound->{status} == 0;
my ($accepted, $receipts, %ids) = (0, 0);
sub receipt {
    my ($pdu) = @_;
    $smpp->deliver_sm_resp(seq => $pdu->{seq}, message_id => '');
    my ($id) = $pdu->{short_message} =~ /id:(\S+)/;
    $receipts++ if $pdu->{short_message} =~ /stat:DELIVRD/ && $ids{$id};
}
for my $n (1 .. $count) {
    my $seq = $smpp->submit_sm(
        async => 1, source_addr_ton => 5, source_addr => 'CA SONLA', destination_addr => sprintf('8497%07d', $n),
        registered_delivery => 1, short_message => 'Canh giac lua dao',
    );
    while (1) {
        my $pdu = $smpp->read_pdu() or die "the connection ended\n";
        if ($pdu->{cmd} == 0x80000004) {
            if ($pdu->{status} == 0) { $accepted++; $ids{ $pdu->{message_id} } = 1; }
            last;
        }
        receipt($pdu) if $pdu->{cmd} == 0x00000005;
    }
}
while ($receipts < $count) {
    my $pdu = $smpp->read_pdu() or die "the connection ended\n";
    receipt($pdu) if $pdu->{cmd} == 0x00000005;
}
$smpp->unbind();
print "$accepted $receipts\n";
